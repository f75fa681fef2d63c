"""Flask extension.

>>> from flask import Flask
>>> from prio_middleware.flask import Prio
>>> app = Flask(__name__)
>>> prio = Prio(app)
>>> @app.get("/products")
... def products():
...     return prio.client.get("/products").json()
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from ._util.extras import needs
from .errors import ConfigurationError
from .web.clients import DEFAULT, Clients, read_settings
from .web.readiness import answer, probe
from .web.request_account import outside_request
from .web.responses import RETRY_AFTER, UNAVAILABLE, Unavailable, unavailable
from .web.status.page import Addressed, respond
from .web.status.report import read_status

try:
    from flask import Blueprint, Flask, Request, Response, current_app, has_request_context, request
    from werkzeug.local import LocalProxy
except ModuleNotFoundError as error:
    raise needs("flask", error) from None

if TYPE_CHECKING:
    import httpx

__all__ = ["Prio", "current_client", "current_clients", "ready", "status_page"]

_EXTENSION = "prio"


class Prio:
    """Flask extension that gives every request authenticated clients.

    ``app.config["PRIO"]`` may hold settings as a dict. They override those of the environment and the files. One object serves
    any number of applications: :attr:`client` is the client of the application that serves the request.

    If a view raises a :class:`TokenError` or a :class:`BudgetExceededError`, the response is 503 with ``Retry-After``; for an
    :class:`UnknownAccountError`, 404. The reason is logged, not sent. An error handler that you register later replaces this
    one.

    Args:
        app: the application; default: :meth:`init_app` gets it later.
        warm_up: fetch a token for every client now. An unreachable token endpoint is logged.
        retry_after: seconds of ``Retry-After`` of a 503 if the failure does not give them.
        account: returns the account of a request, or None for the client's own. It is called for each call by the request's
            clients that names no account, so it should be quick. A call outside a request must name its account.

    Raises:
        ConfigurationError: the settings are wrong.
        TokenError: with ``warm_up``: the token endpoint answered with an error.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        warm_up: bool = False,
        retry_after: float = RETRY_AFTER,
        account: Callable[[Request], str | None] | None = None,
    ) -> None:
        self._warm_up = warm_up
        self._account = None if account is None else functools.partial(_account_of_request, account)
        self._retry_after = retry_after
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Give the clients to ``app``.

        Raises:
            ConfigurationError: the settings are wrong.
            TokenError: with ``warm_up``: the token endpoint answered with an error.
        """
        settings = read_settings(app.config.get("PRIO"), 'app.config["PRIO"]')
        if isinstance(settings, ConfigurationError):
            raise settings
        app.extensions[_EXTENSION] = Clients.checked(settings, warm_up=self._warm_up, account=self._account)
        for kind in UNAVAILABLE:
            app.register_error_handler(kind, self._unavailable)

    def _unavailable(self, failure: Unavailable) -> Response:
        return Response(*unavailable(failure, retry_after=self._retry_after))

    @property
    def client(self) -> httpx.Client:
        """Default client of the application that serves the current request.

        With the setting ``library = "httpx2"`` it is a client of httpx2.
        """
        return self.clients[DEFAULT]

    @property
    def clients(self) -> Clients:
        """Clients of that application by name: ``prio.clients["berlin"]``."""
        return _clients()


def _account_of_request(account: Callable[[Request], str | None]) -> str | None:
    if not has_request_context():
        raise outside_request()
    return account(request)


def ready() -> Response:
    """Answer 200 if the clients of this process are ready, else 503. See :func:`probe`.

    ``app.add_url_rule("/ready", view_func=ready)``.
    """
    return Response(*answer(probe(_clients())))


def status_page(*, hosts: Iterable[str] = ()) -> Blueprint:
    """Return a blueprint with the read-only status page of this process and ``status.json``. It shows no secrets.

    ``app.register_blueprint(status_page(), url_prefix="/status")``. Put your own login in front of it,
    with the blueprint's ``before_request``.

    Args:
        hosts: host names of the page for clients on this machine, for example a proxy. ``localhost`` and addresses are always
            allowed for them. For other clients the host is not checked.
    """
    page = Blueprint("prio_status", __name__)
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # all but the first two get 405
    options: dict[str, Any] = {"methods": methods, "provide_automatic_options": False, "strict_slashes": True}
    view = functools.partial(_status, hosts=tuple(hosts))
    page.add_url_rule("/", "page", view, defaults={"path": ""}, **options)
    page.add_url_rule("/<path:path>", "page", view, **options)
    return page


def _status(path: str, hosts: tuple[str, ...]) -> Response:
    # werkzeug drops the body of a response to HEAD and keeps its Content-Length.
    method = "GET" if request.method == "HEAD" else request.method
    addressed = Addressed(request.headers.get("Host"), request.remote_addr, hosts)
    query = request.query_string.decode("latin-1")
    return Response(*respond(method, f"/{path}", "", lambda: read_status(_clients().settings), addressed, query))


def _clients() -> Clients:
    clients = current_app.extensions.get(_EXTENSION)
    if not isinstance(clients, Clients):
        raise ConfigurationError(
            "This Flask application has no clients.", remedy="Pass it to the extension: Prio(app), or prio.init_app(app)."
        )
    return clients


current_clients = cast("Clients", LocalProxy(_clients))
"""Clients of the application that serves the current request."""

current_client = cast("httpx.Client", LocalProxy(lambda: _clients()[DEFAULT]))
"""Default client of that application."""
