"""Accounts: several credentials at one server, used through one client."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from .._util.clock import Clock, current_clock
from .._util.secret import Secret
from ..errors import ConfigurationError, PrioError, TokenEndpointUnavailableError, TokenError, UnknownAccountError
from .access_token import DEFAULT_OPTIONS, TokenOptions
from .effects import Call, Pause, Steps
from .single_flight import Crash

if TYPE_CHECKING:
    from ..telemetry.counters import ClientCounters
    from .provider import ClientCredentialsProvider
    from .token_request import TokenEndpoint

# The first two are also defaults of the settings.
ACCOUNTS_LIMIT: Final = 1024  # Number of accounts that one client keeps: approximately those that were used last.
ACCOUNTS_TTL: Final = 3600.0  # Seconds after which a resolver is called again for the credentials of an account.
CALL_POLL_SECONDS: Final = 0.05  # Seconds between two checks for the end of an earlier call of a resolver.
NAME_LIMIT: Final = 256  # Maximum length of an account's name, in characters.
# Maximum calls of one resolver at a time: a thread that hangs cannot be stopped, and names may come from inbound requests.
CALLS_LIMIT: Final = 64
SHOWN_CHARACTERS: Final = 40  # Number of characters of an unknown name that an error shows.


@dataclass(frozen=True, slots=True, repr=False)
class AccountCredentials:
    """Credentials of one account, as a resolver returns them. Its ``repr`` does not show the secret.

    Attributes:
        account: the name that the resolver was called with. Another name is an error, so that a mistake in a query cannot send
            one account's call with the token of another.
        client_id: the client identifier (RFC 6749 §2.2).
        client_secret: the client's secret. It is kept as a :class:`Secret`.
        scope: the scopes to request; default: the client's.
        audience: the API that the token is for; default: the client's.

    Raises:
        TypeError: an attribute is not a text.
    """

    account: str
    client_id: str
    client_secret: str | Secret
    scope: str | None = None
    audience: str | None = None

    def __post_init__(self) -> None:
        required, optional = {"account": str, "client_id": str, "client_secret": str | Secret}, str | None
        for name, expected in {**required, "scope": optional, "audience": optional}.items():
            value = getattr(self, name)
            if not isinstance(value, expected):
                raise TypeError(f"{name} is a text, not {type(value).__name__}.")
        if isinstance(self.client_secret, str):
            object.__setattr__(self, "client_secret", Secret(self.client_secret))  # No dump of this object shows it.

    def __repr__(self) -> str:
        return f"<AccountCredentials {self.account!r} {self.client_id!r} **>"


AccountResolver = Callable[[str], AccountCredentials | Awaitable[AccountCredentials | None] | None]
"""Returns the credentials of an account by its name, or None if there is no such account. It may be a coroutine function."""


class ResolverCalls:
    """Calls of a resolver that have not ended: at most one for an account, and ``limit`` in all."""

    def __init__(self, limit: int = CALLS_LIMIT) -> None:
        self._limit = limit
        self._running: set[tuple[int, str]] = set()  # With the process id: a forked child does not inherit the calls.

    def begin(self, account: str) -> None:
        self._running.add((os.getpid(), account))

    def end(self, account: str) -> None:
        self._running.discard((os.getpid(), account))

    def must_wait(self, account: str) -> bool:
        """Return whether a call for ``account`` has to wait for the end of another one."""
        if (os.getpid(), account) in self._running:
            return True
        return len(self._running) >= self._limit and sum(pid == os.getpid() for pid, _ in list(self._running)) >= self._limit


class Resolution:
    """Credentials of one account, from a resolver.

    The resolver is called again after ``ttl`` seconds, and when the token endpoint refuses the credentials.
    """

    def __init__(
        self,
        account: str,
        resolve: AccountResolver,
        endpoint: Callable[[AccountCredentials], TokenEndpoint],
        *,
        client: str,
        counters: Callable[[], ClientCounters] | None = None,
        ttl: float = ACCOUNTS_TTL,
        calls: ResolverCalls | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.options = DEFAULT_OPTIONS  # Scope and audience that the resolver returned.
        self.counters = counters  # Returns the account's counters. Called when the account is known to exist.
        self._account = account
        self._resolve = resolve
        self._endpoint = endpoint  # Returns the token endpoint with the credentials that the resolver returned.
        self._client = client
        self._ttl = ttl
        self._clock = clock or current_clock()
        self._resolved_at = float("-inf")
        self._calls = calls or ResolverCalls()  # For all accounts of the client.

    def resolve(self, deadline_at: float, *, force: bool) -> Steps[TokenEndpoint | TokenError | None]:
        """Call the resolver until ``deadline_at`` at most. Return the token endpoint with the credentials, or the error.

        Return None without a call while the credentials are younger than ``ttl``, unless ``force`` is set. A thread cannot be
        stopped, so a call waits while the last one for this account, or too many for other accounts, have not ended.
        """
        while self._calls.must_wait(self._account):
            if (left := deadline_at - self._clock()) <= 0:
                return self._failed("The resolver of accounts has still not answered an earlier call")
            yield Pause(min(left, CALL_POLL_SECONDS))
        if not force and self._clock() < self._resolved_at + self._ttl:
            return None
        seconds = max(deadline_at - self._clock(), 0.0)
        self._calls.begin(self._account)
        found = yield Call(self._resolve, self._account, seconds, partial(self._calls.end, self._account))
        if found is None:
            return unknown_account(self._account, self._client, "The resolver of accounts does not know it.")
        if not isinstance(found, AccountCredentials) or found.account != self._account:
            return self._failed(_problem(found, seconds))
        try:
            endpoint = self._endpoint(found)
        except PrioError as error:
            return self._failed(f"The credentials of the resolver of accounts cannot be used: {error.message}")
        self.options = TokenOptions(found.scope, found.audience)
        self._resolved_at = self._clock()
        return endpoint

    def _failed(self, message: str) -> TokenError:
        return TokenEndpointUnavailableError(
            f"{message.rstrip('.')} (account {self._account!r}).",
            client=self._client,
            remedy="Correct the function that accounts names. It returns AccountCredentials or None, and takes a short time.",
        )


def _problem(found: object, seconds: float) -> str:
    """Return the problem of a resolver's result, without any text of the result."""
    match found:
        case AccountCredentials():
            return "The resolver of accounts returned the credentials of another account"
        case Crash(error=TimeoutError()):
            return f"The resolver of accounts did not answer within {seconds:.1f} s"
        case Crash(error=error):
            return f"The resolver of accounts raised {type(error).__name__}"
        case _:
            return f"The resolver of accounts returned {type(found).__name__}, not AccountCredentials"


class Accounts:
    """Token providers of a client's accounts, by name. Beyond the limit, roughly the least recently used one is removed.

    Accounts that no resolver has confirmed are kept apart, so names that a stranger invents displace no real account.

    Args:
        find: returns a new provider for an account, or None if no account has that name.
        client: the configured name of the client, for errors.
        limit: number of accounts that are kept.
    """

    def __init__(
        self, find: Callable[[str], ClientCredentialsProvider | None], *, client: str = "default", limit: int = ACCOUNTS_LIMIT
    ) -> None:
        self.find = find
        self._client = client
        self._limit = max(limit, 1)
        self._kept: OrderedDict[str, ClientCredentialsProvider] = OrderedDict()
        self._pending: OrderedDict[str, ClientCredentialsProvider] = OrderedDict()
        self.lookup = self._kept.get

    def provider(self, name: str) -> ClientCredentialsProvider:
        """Return the provider of the account ``name``.

        Raises:
            UnknownAccountError: no account has that name.
        """
        provider = self._kept.get(name) or self._pending.get(name)
        if provider is None:
            problem = name_problem(name)
            provider = None if problem else self.find(name)
            if provider is None:
                raise unknown_account(name, self._client, problem or "No client of the settings at the same server has it.")
            self._pending[name] = provider = self._pending.setdefault(name, provider)
            self._trim_pending()
        if provider.is_resolved and name in self._pending:
            self._kept[name] = provider
            self._pending.pop(name, None)
            _trim(self._kept, self._limit)
        elif name in self._kept:
            with contextlib.suppress(KeyError):  # Another thread has just removed it.
                self._kept.move_to_end(name)
        return provider

    def _trim_pending(self) -> None:
        while len(self._pending) > self._limit:
            with contextlib.suppress(KeyError):  # Another thread was quicker.
                name, provider = self._pending.popitem(last=False)
                if provider.is_resolved:  # Used once, before others pushed it out.
                    self._kept[name] = provider
        _trim(self._kept, self._limit)

    def active(self) -> list[ClientCredentialsProvider]:
        """Return the providers of the accounts in use."""
        return [*self._kept.values(), *self._pending.values()]


def _trim(kept: OrderedDict[str, ClientCredentialsProvider], limit: int) -> None:
    while len(kept) > limit:
        with contextlib.suppress(KeyError):  # Another thread was quicker.
            kept.popitem(last=False)


def name_problem(name: str) -> str | None:
    """Return the problem of an account's name, or None. Names may come from inbound requests."""
    if not name or len(name) > NAME_LIMIT:
        return f"An account's name has 1 to {NAME_LIMIT} characters."
    if not name.isprintable():
        return "The name contains a line break or another control character."
    return None


def unknown_account(name: str, client: str, reason: str) -> UnknownAccountError:
    """Return the error for a name that no account has. It shows the beginning of the name only."""
    shown = name if len(name) <= SHOWN_CHARACTERS else f"{name[:SHOWN_CHARACTERS]}..."
    return UnknownAccountError(f"There is no account {shown!r}. {reason}", client=client)


def check_resolver(resolve: Any, client: str) -> None:
    """Raise ConfigurationError if ``resolve`` cannot be called with a name."""
    try:
        inspect.signature(resolve).bind("name")
    except (TypeError, ValueError):
        raise ConfigurationError(
            f"accounts is {type(resolve).__name__}; expected is a function that takes the account's name.",
            client=client,
            remedy="Give a function: accounts=load, where load(name) returns AccountCredentials or None.",
        ) from None
