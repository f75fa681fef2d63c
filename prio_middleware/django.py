"""Django middleware.

>>> MIDDLEWARE = ["prio_middleware.django.PrioMiddleware", ...]
>>> PRIO = {"environment": "sandbox"}                            # optional; overrides the environment

In a view, ``request.prio.get("/products")`` carries a token, and so does ``await request.prio.get("/products")`` in an async
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ._util.extras import needs
from .errors import ConfigurationError
from .settings import Settings
from .web.clients import DEFAULT, Account, Clients, NamedClients, check, read_settings
from .web.event_loops import AsyncClients
from .web.readiness import answer, probe
from .web.request_account import RequestAccount, aparts, parts
from .web.responses import Answer, unavailable
from .web.status.page import respond
from .web.status.report import read_status

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.apps import AppConfig
    from django.conf import settings as django_settings
    from django.core import checks
    from django.http import HttpRequest, HttpResponse
    from django.utils.module_loading import import_string
except ModuleNotFoundError as error:
    raise needs("django", error) from None

if TYPE_CHECKING:
    import httpx

__all__ = [
    "AsyncPrioRequest",
    "ClientT",
    "PrioClient",
    "PrioClients",
    "PrioConfig",
    "PrioMiddleware",
    "PrioRequest",
    "ready",
    "status_page",
]

ClientT = TypeVar("ClientT")
"""``httpx.Client`` in sync views, ``httpx.AsyncClient`` in async ones."""


class PrioClients(NamedClients[ClientT]):
    """Configured clients by name: async if an event loop runs, else sync.

    Django runs sync views in threads without an event loop, and async views in one. With the setting ``library = "httpx2"``
    they are clients of httpx2.

    Args:
        warm_up: fetch a token for every client now.
        account: returns the account of a call that names none.

    Raises:
        ConfigurationError: a client cannot be made.
        TokenError: the token endpoint answered with an error.
    """

    def __init__(self, settings: Settings, *, warm_up: bool = False, account: Account | None = None) -> None:
        super().__init__(settings, account)
        self._sync = Clients.checked(settings, warm_up=warm_up, account=account)
        self._async = AsyncClients(settings, account)

    def __getitem__(self, name: str) -> ClientT:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            found: Any = self._sync[name]
        else:
            found = self._async.here()[name]
        client: ClientT = found
        return client

    def start_fetch(self, name: str) -> None:
        """Start a fetch in a daemon thread, unless the client has a token, is cooling down or is fetching."""
        self._sync.start_fetch(name)


class PrioClient:
    """Proxy for the default client: async if an event loop runs, else sync."""

    __slots__ = ("_clients",)

    def __init__(self, clients: PrioClients[Any]) -> None:
        self._clients = clients

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # copy and pickle read these before there are any clients.
            raise AttributeError(name)
        return getattr(self._clients[DEFAULT], name)

    # For isinstance(), as in Django's own lazy objects.
    __class__ = property(lambda self: type(self._clients[DEFAULT]))  # pyright: ignore[reportIncompatibleMethodOverride]  # see above


class PrioMiddleware:
    """Middleware that gives every request authenticated clients.

    - ``request.prio``: the default client, async in an async view, else sync;
    - ``request.prio_clients["berlin"]``: a named client, likewise.

    ``PRIO`` in Django's settings may hold settings as a dict. They override those of the environment and the files. With
    ``PRIO_WARM_UP = True`` a token is fetched for every client at startup. Sync clients are closed when the process exits,
    async ones when their event loop ends.

    ``PRIO_ACCOUNT`` names a function, as ``"shop.accounts.account_of"``. It gets the request, and returns its account, or None
    for the client's own. It is called for each call by the request's clients that names no account, so it should be quick.

    If a view raises a :class:`TokenError` or a :class:`BudgetExceededError`, the response is 503 with ``Retry-After``; for an
    :class:`UnknownAccountError`, 404. The reason is logged, not sent.

    Raises:
        ConfigurationError: at startup: the settings are wrong.
        TokenError: at startup: the token endpoint answered with an error.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):  # pyright: ignore[reportDeprecated]  # asgiref knows which one to use
            markcoroutinefunction(self)
        settings = _settings()
        if isinstance(settings, ConfigurationError):
            raise settings
        self._account = _request_account()
        warm_up = getattr(django_settings, "PRIO_WARM_UP", False)
        self._clients: PrioClients[Any] = PrioClients(settings, warm_up=warm_up, account=self._account)
        self._client = PrioClient(self._clients)

    def __call__(self, request: HttpRequest) -> Any:
        """Serve one request. Return the response, or its awaitable if Django is async."""
        vars(request).update(prio=self._client, prio_clients=self._clients)
        if self._account is None:
            return self._get_response(request)
        if iscoroutinefunction(self._get_response):  # pyright: ignore[reportDeprecated]  # asgiref knows which one to use
            return self._aserve(request, self._account)
        with self._account.serving(request):
            response = self._get_response(request)
        return _keep_account(response, request, self._account)

    async def _aserve(self, request: HttpRequest, account: RequestAccount[HttpRequest]) -> Any:
        with account.serving(request):
            response = await self._get_response(request)
        return _keep_account(response, request, account)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 if a view raised a token failure."""
        response = unavailable(exception)
        return response and _response(response.to(request.method or ""))


class PrioRequest(HttpRequest):
    """Request of a sync view, for annotations: ``def products(request: PrioRequest) -> HttpResponse``."""

    prio: httpx.Client
    prio_clients: PrioClients[httpx.Client]


class AsyncPrioRequest(HttpRequest):
    """Request of an async view, for annotations."""

    prio: httpx.AsyncClient
    prio_clients: PrioClients[httpx.AsyncClient]


class PrioConfig(AppConfig):
    """Optional entry of ``INSTALLED_APPS``, by which ``manage.py check`` reports wrong settings."""

    name = __name__
    label = "prio_middleware"

    def ready(self) -> None:
        checks.register(_check)


def ready(request: HttpRequest) -> HttpResponse:
    """Answer 200 if the clients of this process are ready, else 503. See :func:`probe`.

    ``path("ready", ready)``.
    """
    return _response(answer(probe(_clients_of(request))).to(request.method or ""))


def status_page(request: HttpRequest, path: str | None = None) -> HttpResponse:
    """Serve the read-only status page of this process and its ``status.json``. It shows no secrets.

    Hosts other than those of ``ALLOWED_HOSTS`` get 400.

    ``re_path(r"^status(?P<path>/.*)?$", staff_member_required(status_page))``
    """
    request.get_host()  # Raises DisallowedHost, against DNS rebinding.
    below = path or ""
    mount = request.path.removesuffix(below)
    settings = _clients_of(request).settings
    query = request.META.get("QUERY_STRING", "")
    return _response(respond(request.method or "", below, mount, lambda: read_status(settings), query=query))


def _response(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=answer.headers)


def _clients_of(request: HttpRequest) -> PrioClients[Any]:
    clients: PrioClients[Any] | None = getattr(request, "prio_clients", None)
    if clients is None:
        raise ConfigurationError(
            "This request has no clients.", remedy='Add "prio_middleware.django.PrioMiddleware" to MIDDLEWARE.'
        )
    return clients


def _request_account() -> RequestAccount[HttpRequest] | None:
    named = getattr(django_settings, "PRIO_ACCOUNT", None)
    try:
        function = import_string(named) if isinstance(named, str) else named
    except ImportError:
        function = named
    if function is not None and not callable(function):
        raise ConfigurationError(
            f"PRIO_ACCOUNT is {named!r}, which names no function.",
            remedy='Name one that takes the request, as PRIO_ACCOUNT = "shop.accounts.account_of".',
        )
    account: Any = function
    return None if account is None else RequestAccount(account)


def _keep_account(response: Any, request: HttpRequest, account: RequestAccount[HttpRequest]) -> Any:
    """Keep the request's account while the body is streamed, after the view has returned."""
    if response.streaming and getattr(response, "file_to_stream", None) is None:
        body = response.streaming_content
        response.streaming_content = (aparts if response.is_async else parts)(account, request, body)
    return response


def _settings() -> Settings | ConfigurationError:
    return read_settings(getattr(django_settings, "PRIO", None), "PRIO")


def _check(**_: Any) -> list[checks.CheckMessage]:
    settings = _settings()
    problem = settings if isinstance(settings, ConfigurationError) else check(settings)
    return [checks.Error(problem.message, hint=problem.remedy, id="prio_middleware.E001")] if problem else []
