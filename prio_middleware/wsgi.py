"""Middleware for WSGI applications.

>>> from prio_middleware.wsgi import PrioMiddleware
>>> application = PrioMiddleware(application)

In the application, ``environ["prio_middleware.client"].get("/products")`` carries a token.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .errors import ConfigurationError
from .settings import Settings
from .web.clients import DEFAULT, Clients
from .web.readiness import answer, probe
from .web.request_account import RequestAccount, serving
from .web.responses import RETRY_AFTER, UNAVAILABLE, failure_of, unavailable
from .web.status.page import Addressed, respond
from .web.status.report import read_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from .web.responses import Answer, Unavailable

__all__ = ["CLIENT", "CLIENTS", "PrioMiddleware", "WSGIReadyApp", "WSGIStatusPage"]

CLIENT = "prio_middleware.client"
"""Environ key of the default client."""

CLIENTS = "prio_middleware.clients"
"""Environ key of all clients by name."""


class PrioMiddleware:
    """Middleware that gives every request authenticated clients, in its environ.

    - ``environ["prio_middleware.client"]``: the default client;
    - ``environ["prio_middleware.clients"]["berlin"]``: a named one.

    Threads share them. Each process opens its own, so it may fork at any time, and closes them when it exits.

    If the application raises a :class:`TokenError` or a :class:`BudgetExceededError` before its response starts, the response
    is 503 with ``Retry-After``; for an :class:`UnknownAccountError`, 404. The reason is logged, not sent.

    Args:
        settings: settings of the clients; default: from the environment and the files.
        warm_up: fetch a token for every client now. An unreachable token endpoint is logged.
        retry_after: seconds of ``Retry-After`` of a 503 if the failure does not give them.
        account: returns the account of a request by its environ, or None for the client's own. It is called for each call by
            the request's clients that names no account, so it should be quick. A call outside a request must name its account.

    Raises:
        ConfigurationError: the settings are wrong.
        TokenError: with ``warm_up``: the token endpoint answered with an error.
    """

    def __init__(
        self,
        app: WSGIApplication,
        settings: Settings | None = None,
        *,
        warm_up: bool = False,
        retry_after: float = RETRY_AFTER,
        account: Callable[[WSGIEnvironment], str | None] | None = None,
    ) -> None:
        self.app = app
        self._account = None if account is None else RequestAccount(account)
        self.clients = Clients.checked(settings or Settings(), warm_up=warm_up, account=self._account)
        self._retry_after = retry_after

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[CLIENTS] = self.clients
        if DEFAULT in self.clients:
            environ[CLIENT] = self.clients[DEFAULT]
        response = _Response(start_response, self._retry_after, environ.get("REQUEST_METHOD", ""))
        try:
            with serving(self._account, environ):
                body = self.app(environ, response.start_response)
            wrapper = environ.get("wsgi.file_wrapper")
            # Servers know lists and files. For any other body, the application may still run while it is read.
            if not isinstance(body, (list, tuple, wrapper) if isinstance(wrapper, type) else (list, tuple)):
                return _LazyBody(body, response, lambda: serving(self._account, environ))
        except (*UNAVAILABLE, ExceptionGroup) as error:
            unavailable_body = response.unavailable_after(error)
            if unavailable_body is None:
                raise
            return [unavailable_body]
        response.begin()
        return body


class _Response:
    """Response to one request. Status and headers wait for the first part of the body: some servers add to replaced headers."""

    def __init__(self, start_response: StartResponse, retry_after: float, method: str) -> None:
        self._start_response = start_response
        self._method = method
        self._retry_after = retry_after
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self._write: Callable[[bytes], object] | None = None

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        """Keep status and headers; the application calls this."""
        if self._write:
            return self._start_response(status, headers, exc_info)
        self._head = status, headers
        return self.write

    def begin(self) -> None:
        """Send status and headers to the server. They cannot be replaced after that."""
        if self._head:
            self._write = self._start_response(*self._head)
            self._head = None

    def unavailable_after(self, error: Unavailable | ExceptionGroup) -> bytes | None:
        """Answer 503 and return its body. Return None for any other error, or if the response has started."""
        failure = failure_of(error)
        if failure is None or self._write:
            return None
        [body] = _send(unavailable(failure, retry_after=self._retry_after).to(self._method), self.start_response)
        self.begin()
        return body

    def write(self, data: bytes) -> object:
        """Write a part of the body, as old applications do with the result of ``start_response``."""
        self.begin()
        return self._write and self._write(data)


class _LazyBody:
    """Body that the application makes while the server reads it. The response is replaced if its first part fails."""

    def __init__(self, body: Iterable[bytes], response: _Response, serving: Callable[[], AbstractContextManager[None]]) -> None:
        self._chunks = iter(body)
        self._response = response
        self._serving = serving
        self.close: Callable[[], object] = getattr(body, "close", lambda: None)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            with self._serving():
                chunk = next(self._chunks, None)
        except (*UNAVAILABLE, ExceptionGroup) as error:
            chunk = self._response.unavailable_after(error)
            if chunk is None:
                raise
            self._chunks = iter(())
            return chunk
        self._response.begin()
        if chunk is None:
            raise StopIteration
        return chunk


class WSGIReadyApp:
    """WSGI application that answers 200 if the clients of this process are ready, else 503. See :func:`probe`.

    Mount it inside a :class:`PrioMiddleware`.

    Args:
        names: the clients to check; all of them if left out.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = answer(probe(_clients_of(environ), *self._names))
        return _send(response.to(environ["REQUEST_METHOD"]), start_response)


class WSGIStatusPage:
    """Read-only status page of this process, with ``status.json``. It shows no secrets.

    Put your own login in front of it.

    Mount it inside a :class:`PrioMiddleware`, or with settings of its own:
    ``DispatcherMiddleware(application, {"/status": WSGIStatusPage()})``, from ``werkzeug.middleware.dispatcher``.

    Args:
        settings: settings of the clients to show; those of the surrounding :class:`PrioMiddleware` if left out.
        hosts: host names of the page for clients on this machine, for example a proxy. ``localhost`` and addresses are always
            allowed for them. For other clients the host is not checked.
    """

    def __init__(self, settings: Settings | None = None, *, hosts: Iterable[str] = ()) -> None:
        self._settings = settings
        self._hosts = tuple(hosts)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        settings = self._settings or _clients_of(environ).settings
        path, mount = environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", "")
        addressed = Addressed(environ.get("HTTP_HOST"), environ.get("REMOTE_ADDR"), self._hosts)
        query = environ.get("QUERY_STRING", "")
        page = respond(environ["REQUEST_METHOD"], path, mount, lambda: read_status(settings), addressed, query)
        return _send(page, start_response)


def _send(answer: Answer, start_response: StartResponse) -> list[bytes]:
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers.items()))
    return [answer.body]


def _clients_of(environ: WSGIEnvironment) -> Clients:
    if CLIENTS in environ:
        clients: Clients = environ[CLIENTS]
        return clients
    raise ConfigurationError(
        "This application is not inside a PrioMiddleware, so it has no clients.",
        remedy="Wrap it: PrioMiddleware(application), from prio_middleware.wsgi.",
    )
