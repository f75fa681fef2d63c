"""The drop-in for Django.

>>> MIDDLEWARE = ["prio_middleware.django.PrioMiddleware", ...]
>>> PRIO = {"environment": "sandbox"}                            # over the environment's settings; may be left out

In a view, ``request.prio.get("/products")`` carries a token, and so does ``await request.prio.get("/products")`` in an async
one.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from .clients import DEFAULT, AsyncClients, Clients, check
from .dropins import unavailable
from .dropins.framework_settings import read_settings
from .errors import ConfigurationError
from .extras import needs
from .readiness import answer, readiness
from .settings import Settings
from .status.answers import respond
from .status.look import look

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction
    from django.apps import AppConfig
    from django.conf import settings as django_settings
    from django.core import checks
    from django.http import HttpRequest, HttpResponse
except ModuleNotFoundError as error:
    raise needs("django", error) from None

if TYPE_CHECKING:
    import httpx

__all__ = ["PrioClient", "PrioClients", "PrioConfig", "PrioMiddleware", "ready", "status_page"]


class PrioClients(Collection[str]):
    """The configured clients by name, for whoever asks: async where an event loop runs, sync elsewhere.

    That is what tells views apart: Django runs a sync one in a thread without a loop, an async one in a loop of its own if
    need be. With the setting ``library = "httpx2"`` they are clients of httpx2.

    Args:
        settings: of the clients.
        warm_up: fetch a token for each of them now.

    Raises:
        ConfigurationError: one cannot be made.
        TokenError: a token was refused.
    """

    def __init__(self, settings: Settings, *, warm_up: bool = False) -> None:
        self.settings = settings
        self._sync = Clients.checked(settings, warm_up=warm_up)
        self._async = AsyncClients(settings)

    def __getitem__(self, name: str) -> httpx.Client | httpx.AsyncClient:
        """The client called ``name``.

        Raises:
            ConfigurationError: there is none of that name.
        """
        return self._async.here()[name] if _loop_is_running() else self._sync[name]

    def __contains__(self, name: object) -> bool:
        return name in self._sync

    def __iter__(self) -> Iterator[str]:
        return iter(self._sync)

    def __len__(self) -> int:
        return len(self._sync)


class PrioClient:
    """Stands for the default client: async where an event loop runs, sync elsewhere."""

    __slots__ = ("_clients",)

    def __init__(self, clients: PrioClients) -> None:
        self._clients = clients

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Asked for by copy and pickle, before there are any clients.
            raise AttributeError(name)
        return getattr(self._clients[DEFAULT], name)

    # For isinstance(), as Django's own lazy objects have it.
    __class__ = property(lambda self: type(self._clients[DEFAULT]))  # pyright: ignore[reportIncompatibleMethodOverride]  # see above


class PrioMiddleware:
    """Gives every request authenticated clients.

    - ``request.prio``: the default client: async in an async view, else sync;
    - ``request.prio_clients["berlin"]``: a named one, likewise.

    ``PRIO`` in Django's settings holds their settings as a dict, over those of the environment and the files; it may be left
    out. With ``PRIO_WARM_UP = True`` a token is fetched for every client at startup. Sync clients are closed when the process
    exits, async ones when their event loop ends.

    A :class:`TokenError` or a :class:`BudgetExceededError` that leaves a view becomes 503 with ``Retry-After``; the reason is
    logged, not sent.

    Raises:
        ConfigurationError: at startup: the settings are wrong.
        TokenError: at startup: a token was refused.
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
        self._clients = PrioClients(settings, warm_up=getattr(django_settings, "PRIO_WARM_UP", False))
        self._client = PrioClient(self._clients)

    def __call__(self, request: HttpRequest) -> Any:
        """Serve one request: the response, or where Django is async what it awaits."""
        vars(request).update(prio=self._client, prio_clients=self._clients)
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer 503 if a view left a failure that is worth one."""
        failure = unavailable.failure_of(exception)
        if failure is None:
            return None
        unavailable.log(failure)
        headers = unavailable.headers(failure, unavailable.RETRY_AFTER)
        return HttpResponse(unavailable.BODY, status=unavailable.STATUS, headers=headers)


class PrioConfig(AppConfig):
    """For ``INSTALLED_APPS``, if wanted: ``manage.py check`` says what is wrong with the settings."""

    name = __name__
    label = "prio_middleware"

    def ready(self) -> None:
        """Register the check."""
        checks.register(_check)


def ready(request: HttpRequest) -> HttpResponse:
    """A view that answers whether the clients of this process can serve; see :func:`readiness`.

    ``path("ready", ready)``.
    """
    status, headers, body = answer(readiness(_clients_of(request)))
    return HttpResponse(body, status=status, headers=headers)


def status_page(request: HttpRequest, path: str | None = None) -> HttpResponse:
    """A view: the status page of this process, and its ``status.json``. Read only, and with no secret on them.

    ``re_path(r"^status(?P<path>/.*)?$", staff_member_required(status_page))``
    """
    below = path or ""
    mount = request.path.removesuffix(below)
    status, headers, body = respond(request.method or "", below, mount, functools.partial(look, _clients_of(request).settings))
    return HttpResponse(body, status=status, headers=headers)


def _clients_of(request: HttpRequest) -> PrioClients:
    clients: PrioClients | None = getattr(request, "prio_clients", None)
    if clients is None:
        raise ConfigurationError(
            "There are no clients here.", remedy='Add "prio_middleware.django.PrioMiddleware" to MIDDLEWARE.'
        )
    return clients


def _settings() -> Settings | ConfigurationError:
    return read_settings(getattr(django_settings, "PRIO", None), "PRIO")


def _check(**_: Any) -> list[checks.CheckMessage]:
    settings = _settings()
    problem = settings if isinstance(settings, ConfigurationError) else check(settings)
    return [checks.Error(problem.message, hint=problem.remedy, id="prio_middleware.E001")] if problem else []


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
