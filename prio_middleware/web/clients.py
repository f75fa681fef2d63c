"""Clients of an application, opened once in a process and kept."""

from __future__ import annotations

import importlib
import logging
import os
import re
import weakref
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar

from ..build import pipeline_for
from ..errors import ConfigurationError, PrioError, TokenEndpointUnavailableError
from ..oauth.effects import no_threads
from ..oauth.provider import ClientCredentialsProvider
from ..settings import ClientSettings, Settings
from ..telemetry.logs import log
from ..transports.routes import transport_of

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")

DEFAULT = "default"  # Name of the client that is used if none is named.


def read_settings(values: object, place: str) -> Settings | ConfigurationError:
    """Return settings from a framework's configuration, which take precedence over the environment and the files.

    An error is returned, because a traceback from here would show the secrets.

    Args:
        values: a dict of settings, ready-made :class:`Settings`, or None.
        place: name of the configuration value, for errors.
    """
    if isinstance(values, Settings):
        return values
    values = {} if values is None else values
    if not isinstance(values, Mapping) or not all(isinstance(key, str) for key in values):
        return ConfigurationError(f"{place} must be a dict of settings, not {type(values).__name__}.")
    try:
        return Settings(**values)
    except ConfigurationError as error:
        # The environment and the files are named as such: only an argument comes from the framework's configuration.
        message = re.sub(
            r"(?m)^(The settings are invalid: |  - )argument ", lambda found: f"{found[1]}{place}: ", error.message
        )
        return error.copy(message=message)


_PACKAGE = __name__.partition(".")[0]

Account = Callable[[], str | None]  # Returns the account of a call that names none, or None for the client's own.


def open_client(settings: Settings | ClientSettings, name: str | None = None, account: Account | None = None) -> httpx.Client:
    """Return a new sync client. Accounts of the other clients of ``settings`` can be named in its calls.

    Raises:
        ConfigurationError: the settings cannot be used, or a package that they need is not installed.
    """
    client: httpx.Client = _make(settings, name, "client", account)
    return client


def open_async_client(settings: Settings, name: str, account: Account | None = None) -> httpx.AsyncClient:
    """Return a new async client. Raise ConfigurationError as :func:`open_client` does."""
    client: httpx.AsyncClient = _make(settings, name, "async_client", account)
    return client


def listen(settings: ClientSettings) -> None:
    """Subscribe to tokens that other processes drop, if this client shares its tokens. For long-running processes."""
    provider = pipeline_for(settings).provider
    if isinstance(provider, ClientCredentialsProvider):
        provider.listen()


def library_module(settings: ClientSettings) -> ModuleType:
    """Return ``prio_middleware.httpx`` or ``prio_middleware.httpx2``."""
    return importlib.import_module(f"{_PACKAGE}.{settings.library}")


def _make(
    every: Settings | ClientSettings, name: str | None, kind: Literal["client", "async_client"], account: Account | None
) -> Any:
    settings = every if isinstance(every, ClientSettings) else every.client(name)
    # All users of the application share the client: a jar that refuses cookies keeps them apart.
    options = {} if settings.keep_cookies else {"cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[]))}
    try:
        return getattr(library_module(settings), kind)(name, settings=every, account=account, **options)
    except ImportError as error:  # httpx2, or a package for HTTP/2 or SOCKS proxies.
        missing = str(error)
    raise ConfigurationError(
        f"The client cannot be made: {missing.rstrip('.')}.",
        client=settings.name,
        remedy="Install the missing package, or change the setting that needs it (library, http2, proxy).",
    )


def check(settings: Settings) -> ConfigurationError | None:
    """Return the error of the first client that cannot be made, or None. Opens no connection that a fork would share."""
    try:
        for name in settings.clients:
            open_client(settings, name).close()
    except ConfigurationError as error:
        return error.copy()
    return None


def fetch_tokens(settings: Settings) -> PrioError | None:
    """Fetch a token for every client. Return the error for which the application must not start, such as rejected credentials.

    An unreachable token endpoint is logged, and the application starts: the endpoint may be back at the first call.
    """
    failures = []
    for name in settings.clients:
        try:
            # Without threads: a server that forks next could copy a lock of the TLS library that an ending thread still holds.
            with no_threads(), open_client(settings, name) as client:
                transport_of(client).authenticate()
        except PrioError as error:
            failures.append(error.copy())
    lasting = [failure for failure in failures if not isinstance(failure, TokenEndpointUnavailableError)]
    if lasting:
        return lasting[0]
    for failure in failures:
        message = "The application starts without a token: %s"
        log(logging.WARNING, message, failure, event="started_without_token", client=failure.client)
    return None


class NamedClients(Collection[str], Generic[T]):
    """Configured clients by name."""

    def __init__(self, settings: Settings | None = None, account: Account | None = None) -> None:
        self.settings = settings or Settings()
        self._account = account

    @abstractmethod
    def __getitem__(self, name: str) -> T:
        """Return the client called ``name``. Raise ConfigurationError if there is none, or it cannot be made."""

    def __contains__(self, name: object) -> bool:
        return name in self.settings.clients

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings.clients)

    def __len__(self) -> int:
        return len(self.settings.clients)


class Clients(NamedClients["httpx.Client"]):
    """Configured sync clients by name, opened on first use.

    Each process opens its own: a forked child neither uses nor closes its parent's clients, which hold the parent's
    connections. :meth:`close` closes them, and so does the end of this object or of the process.

    With the setting ``library = "httpx2"`` they are clients of httpx2. They keep no cookies, because all users of the
    application share them, unless ``keep_cookies`` is true.

    Args:
        settings: settings of the clients; from the environment and the files if left out.
        account: returns the account of a call that names none.

    Raises:
        ConfigurationError: the settings are wrong.
    """

    def __init__(self, settings: Settings | None = None, account: Account | None = None) -> None:
        super().__init__(settings, account)
        self._opened: dict[int, dict[str, httpx.Client]] = {}
        weakref.finalize(self, _close, self._opened)

    @classmethod
    def checked(cls, settings: Settings, *, warm_up: bool = False, account: Account | None = None) -> Self:
        """Return the clients after making each of them once, and with ``warm_up`` after fetching a token for each.

        Opens no connection that a fork would share.

        Raises:
            ConfigurationError: a client cannot be made.
            TokenError: the token endpoint answered with an error.
        """
        failure = check(settings) or (fetch_tokens(settings) if warm_up else None)
        if failure:
            raise failure
        return cls(settings, account)

    def __getitem__(self, name: str) -> httpx.Client:
        mine = self._opened.setdefault(os.getpid(), {})
        client = mine.get(name)
        return self._open(mine, name) if client is None else client

    def start_fetch(self, name: str) -> None:
        """Start a fetch in a daemon thread, unless the client has a token, is cooling down or is fetching."""
        transport_of(self[name]).start_fetch()

    def close(self) -> None:
        """Close the clients that are open in this process. Later uses open new ones."""
        _close(self._opened)

    def _open(self, mine: dict[str, httpx.Client], name: str) -> httpx.Client:
        made = open_client(self.settings, name, self._account)
        kept = mine.setdefault(name, made)
        if kept is not made:  # Another thread has opened one.
            made.close()
        listen(self.settings.client(name))
        return kept


def _close(opened: dict[int, dict[str, httpx.Client]]) -> None:
    for client in opened.pop(os.getpid(), {}).values():
        client.close()
