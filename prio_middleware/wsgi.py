"""The drop-in for any WSGI application.

>>> from prio_middleware.wsgi import PrioMiddleware
>>> application = PrioMiddleware(application)

In the application, ``environ["prio_middleware.client"].get("/products")`` carries a token.
"""

from __future__ import annotations

import functools
from http import HTTPStatus
from typing import TYPE_CHECKING

from .clients import DEFAULT, Clients
from .dropins import unavailable
from .dropins.wsgi_answer import serve
from .errors import ConfigurationError
from .readiness import answer, readiness
from .settings import Settings
from .status.answers import respond
from .status.look import look

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["CLIENT", "CLIENTS", "PrioMiddleware", "ReadyApp", "StatusPage"]

CLIENT = "prio_middleware.client"
"""The key of the default client in the environ."""

CLIENTS = "prio_middleware.clients"
"""The key of all clients in the environ, by their names."""


class PrioMiddleware:
    """Gives every request authenticated clients, in its environ.

    - ``environ["prio_middleware.client"]``: the default client;
    - ``environ["prio_middleware.clients"]["berlin"]``: a named one.

    Threads share them; each process opens its own, so it may be forked at any time. They are closed when it exits.

    A :class:`TokenError` or a :class:`BudgetExceededError` that leaves the application before its answer has begun becomes 503
    with ``Retry-After``. The reason is logged, not sent.

    Args:
        app: the application.
        settings: of the clients; from the environment and the files if left out.
        warm_up: fetch a token for every client now. A token endpoint that cannot be reached is logged.
        retry_after: seconds to announce with a 503 where the failure knows of none.

    Raises:
        ConfigurationError: the settings are wrong.
        TokenError: with ``warm_up``: a token was refused.
    """

    def __init__(
        self,
        app: WSGIApplication,
        settings: Settings | None = None,
        *,
        warm_up: bool = False,
        retry_after: float = unavailable.RETRY_AFTER,
    ) -> None:
        self.app = app
        self.clients = Clients.checked(settings or Settings(), warm_up=warm_up)
        self._retry_after = retry_after

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        environ[CLIENTS] = self.clients
        if DEFAULT in self.clients:
            environ[CLIENT] = self.clients[DEFAULT]
        return serve(self.app, environ, start_response, self._retry_after)


class ReadyApp:
    """Answers whether the clients of this process can serve: 200 or 503, with the details as JSON. See :func:`readiness`.

    Mount it inside a :class:`PrioMiddleware`.

    Args:
        names: the clients that matter; all of them if left out.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        status, headers, body = answer(readiness(_clients_of(environ), *self._names))
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [body]


class StatusPage:
    """The status page of this process, and its ``status.json``: read only, and with no secret on them.

    Put your own login before it.

    Mount it as WSGI applications are mounted, inside a :class:`PrioMiddleware` or with settings of its own:
    ``DispatcherMiddleware(application, {"/status": StatusPage()})``, from ``werkzeug.middleware.dispatcher``.

    Args:
        settings: of the clients to show. If left out, they are those of the :class:`PrioMiddleware` around it.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        settings = self._settings or _clients_of(environ).settings
        path, mount = environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", "")
        status, headers, body = respond(environ["REQUEST_METHOD"], path, mount, functools.partial(look, settings))
        start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        return [body]


def _clients_of(environ: WSGIEnvironment) -> Clients:
    if CLIENTS in environ:
        clients: Clients = environ[CLIENTS]
        return clients
    raise ConfigurationError(
        "There are no clients here: no PrioMiddleware stands around this application.",
        remedy="Put it there: PrioMiddleware(application), from prio_middleware.wsgi.",
    )
