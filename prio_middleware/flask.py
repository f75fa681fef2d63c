"""The drop-in for Flask: an extension.

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
from typing import TYPE_CHECKING, Any, cast

from .clients import DEFAULT, Clients
from .dropins import unavailable
from .dropins.framework_settings import read_settings
from .errors import ConfigurationError
from .extras import needs
from .readiness import answer, readiness
from .status.answers import respond
from .status.look import look

try:
    from flask import Blueprint, Flask, Response, current_app, request
    from werkzeug.local import LocalProxy
except ModuleNotFoundError as error:
    raise needs("flask", error) from None

if TYPE_CHECKING:
    import httpx

__all__ = ["Prio", "current_client", "current_clients", "ready", "status_page"]

_EXTENSION = "prio"


class Prio:
    """Gives every request of an application authenticated clients.

    ``app.config["PRIO"]`` holds their settings as a dict, over those of the environment and the files; nothing needs to be
    there. One object serves any number of applications: :attr:`client` is the one of the application that serves.

    A :class:`TokenError` or a :class:`BudgetExceededError` that leaves a view becomes 503 with ``Retry-After``; the reason is
    logged, not sent. An error handler of the application's own, registered later, takes its place.

    Args:
        app: the application; or give it to :meth:`init_app` later.
        warm_up: fetch a token for every client at once. A token endpoint that cannot be reached is logged.
        retry_after: seconds to announce with a 503 where the failure knows of none.

    Raises:
        ConfigurationError: the settings are wrong.
        TokenError: with ``warm_up``: a token was refused.
    """

    def __init__(
        self, app: Flask | None = None, *, warm_up: bool = False, retry_after: float = unavailable.RETRY_AFTER
    ) -> None:
        self._warm_up = warm_up
        self._retry_after = retry_after
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Serve ``app`` too.

        Raises:
            ConfigurationError: its settings are wrong.
            TokenError: with ``warm_up``: a token was refused.
        """
        settings = read_settings(app.config.get("PRIO"), 'app.config["PRIO"]')
        if isinstance(settings, ConfigurationError):
            raise settings
        app.extensions[_EXTENSION] = Clients.checked(settings, warm_up=self._warm_up)
        for kind in unavailable.UNAVAILABLE:
            app.register_error_handler(kind, self._refuse)

    @property
    def client(self) -> httpx.Client:
        """The default client of the application that serves the current request.

        With the setting ``library = "httpx2"`` it is a client of httpx2.
        """
        return self.clients[DEFAULT]

    @property
    def clients(self) -> Clients:
        """All of its clients: ``prio.clients["berlin"]``."""
        return _clients()

    def _refuse(self, failure: unavailable.Unavailable) -> Response:
        unavailable.log(failure)
        return Response(unavailable.BODY, unavailable.STATUS, unavailable.headers(failure, self._retry_after))


def ready() -> Response:
    """A view that answers whether the clients of this process can serve; see :func:`readiness`.

    ``app.add_url_rule("/ready", view_func=ready)``.
    """
    status, headers, body = answer(readiness(_clients()))
    return Response(body, status, headers)


def status_page() -> Blueprint:
    """A blueprint with the status page of this process and its ``status.json``: read only, and with no secret on them.

    ``app.register_blueprint(status_page(), url_prefix="/status")``. Put your own login before it: in a function that
    ``before_request`` of the blueprint takes.
    """
    page = Blueprint("prio_status", __name__)
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # all but the first two are answered with 405
    options: dict[str, Any] = {"methods": methods, "provide_automatic_options": False, "strict_slashes": True}
    page.add_url_rule("/", view_func=_status, defaults={"path": ""}, **options)
    page.add_url_rule("/<path:path>", view_func=_status, **options)
    return page


def _status(path: str) -> Response:
    # werkzeug leaves the body of an answer to HEAD out, and says how long it would be.
    method = "GET" if request.method == "HEAD" else request.method
    status, headers, body = respond(method, f"/{path}", "", functools.partial(look, _clients().settings))
    return Response(body, status, headers)


def _clients() -> Clients:
    clients = current_app.extensions.get(_EXTENSION)
    if not isinstance(clients, Clients):
        raise ConfigurationError(
            "This Flask application has no clients.", remedy="Give it to the extension: Prio(app), or prio.init_app(app)."
        )
    return clients


current_clients = cast("Clients", LocalProxy(_clients))
"""The clients of the application that serves the current request."""

current_client = cast("httpx.Client", LocalProxy(lambda: _clients()[DEFAULT]))
"""Its default client."""
