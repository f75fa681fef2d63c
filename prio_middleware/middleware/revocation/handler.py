"""Revocation handler: asks for a new token if a refusal suggests that the token is dead."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from ..._util.clock import Clock, current_clock
from ..._util.origins import raw_origin
from ...oauth.access_token import TokenOptions
from ...pipeline.exchange import Exchange, Verdict
from ...pipeline.protocols import ResponseLike, URLLike
from ...telemetry.counters import ClientCounters
from .memory import PATH_LIMIT, EndpointKey, PathTemplates, RefusalMemory, text_length
from .renewal_limiter import ProcessLimiter
from .rules import RefusalRules

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from ...oauth.access_token import AccessToken
    from .refusal import Refusal

WATCH_SECONDS: Final = 120.0
"""Seconds after a refusal during which every success is recorded."""

BACKLOG: Final = 256
"""Number of successes after the last watch that are kept, the first ones: they show which endpoints accept the token."""

_Success = tuple[EndpointKey, int]
"""Endpoint and token serial of a successful call."""


ACCOUNTS_LIMIT: Final = 1024
"""Maximum accounts whose refusals are remembered: those that were refused last."""


class _AccountMemory(NamedTuple):
    limiter: ProcessLimiter
    memory: RefusalMemory


class RevocationHandler:
    """Component that asks for re-authentication if a refusal suggests a dead token, not if the call is refused with any token.

    ``rules`` select refusals that may reject the token. :class:`RefusalMemory` decides which of them deserve a new token.
    :class:`RenewalLimiter` limits renewals that did not help: at most ``LIMIT + RESERVE`` (see ``renewal_limiter.py``) within a
    minute, and one more for each kind of token whose renewal helped.

    One handler serves all clients of the same settings, in any thread and event loop. A forked process starts with an empty
    memory.

    Args:
        rules: statuses and error codes that may reject the token.
        clock: monotonic clock, in seconds; default: the clock of the package.
        limiter: shared by all handlers of the same credentials, see :func:`limiter_of`; default: one of its own.
        templates: path templates, whose paths count as one endpoint.
        accounts_limit: maximum accounts whose refusals are remembered.

    Attributes:
        limiter_of_account: returns the limiter of an account of the client. Default: a new one for each.
    """

    def __init__(
        self,
        rules: RefusalRules,
        clock: Clock | None = None,
        *,
        limiter: ProcessLimiter | None = None,
        templates: PathTemplates | None = None,
        accounts_limit: int = ACCOUNTS_LIMIT,
    ) -> None:
        self.rules = rules
        self.counters = ClientCounters("default")  # The pipeline puts its own in its place.
        self.refusal_statuses = frozenset(rules.statuses)
        self._clock = clock or current_clock()
        self._limiter = limiter or ProcessLimiter()
        self._templates = templates or PathTemplates()
        self._memory = RefusalMemory(self._limiter.own()[1], self._templates)
        self.limiter_of_account: Callable[[str], ProcessLimiter] = lambda _: ProcessLimiter()
        self._accounts: dict[str, _AccountMemory] = {}
        self._accounts_limit = accounts_limit
        self._recent: deque[_Success] = deque(maxlen=BACKLOG)
        self._collecting = True
        self._watching = False
        self._watch_until = float("-inf")

    def on_response(self, exchange: Exchange, response: ResponseLike) -> Verdict | None:
        """Judge a refusal, or record a success. Without refusals, the first ``BACKLOG`` are appended, without a lock."""
        if exchange.refusal is not None:
            return self._judge(exchange, exchange.refusal)
        if self._watching or self._collecting:
            self._record_success(exchange, response)
        return None

    def _judge(self, exchange: Exchange, refusal: Refusal) -> Verdict | None:
        token = exchange.token
        if token is None or self.rules.wants_other_scheme(refusal.status_code, refusal.schemes, token.token_type):
            return None
        readable = refusal.complete or refusal.decided
        if readable and self.rules.may_be_about_token(refusal.status_code, refusal.code, refusal.challenge):
            # The server returned a rejected token again: that says nothing about this endpoint.
            return Verdict.REAUTHENTICATE if token.unchanged else self._decide(exchange, refusal, token)
        # A 403 without a code may mean a dead token or a missing privilege.
        if refusal.status_code == 403 and refusal.code is None and refusal.challenge is None and 403 in self.rules.statuses:
            from ...telemetry.logs import count_ignored_403

            count_ignored_403(self.counters, exchange.client, exchange.request.method, exchange.request.url, self._clock())
        return None

    def _decide(self, exchange: Exchange, refusal: Refusal, token: AccessToken) -> Verdict | None:
        key = _key(exchange.options, exchange.request.method, exchange.request.url)
        # A revoked token may get another status than a missing privilege, so the status is part of the code.
        code = f"{refusal.status_code} {refusal.challenge or refusal.code}"
        explicit = self.rules.names_token(refusal.status_code, refusal.code, refusal.challenge)
        lock, memory = self._own_memory(_account(key))
        with lock:
            now = self._clock()
            self._watching, self._watch_until = True, now + WATCH_SECONDS
            self._collecting = True
            for _ in range(len(self._recent)):
                try:
                    earlier, serial = self._recent.popleft()
                except IndexError:  # Another account, which has another lock, took the rest.
                    break
                if _account(earlier) != _account(key):
                    self._recent.append((earlier, serial))
                    continue
                # Nothing was refused while these were collected: assume that their endpoints accept the present token, too.
                newest = max(serial, token.serial) if earlier.kind == exchange.options else serial
                memory.record_answer(earlier, newest)
            again = memory.record_refusal(key, code, token.serial, now, explicit=explicit, retried=exchange.attempt > 1)
        return Verdict.REAUTHENTICATE if again else None

    def _record_success(self, exchange: Exchange, response: ResponseLike) -> None:
        token = exchange.token
        if token is None or not 200 <= response.status_code <= 299:
            return
        if token.unchanged:
            token.unchanged.works = True
        key = _key(exchange.options, exchange.request.method, exchange.request.url)
        if not self._watching:
            if text_length(key) <= PATH_LIMIT:  # Strangers may choose paths, and the backlog must stay small.
                self._recent.append((key, token.serial))
            self._collecting = len(self._recent) < BACKLOG
            return
        lock, memory = self._own_memory(_account(key))
        with lock:
            self._watching = self._clock() < self._watch_until
            memory.record_answer(key, token.serial, retried=exchange.attempt > 1)

    def _own_memory(self, account: str | None) -> tuple[threading.Lock, RefusalMemory]:
        """Return lock and memory of the client, or of one of its accounts: a refusal of one says nothing about another."""
        if account is not None:
            return self._memory_of(account)
        lock, limiter = self._limiter.own()
        if self._memory.limiter is not limiter:  # This process was forked.
            self._memory = RefusalMemory(limiter, self._templates)
        return lock, self._memory

    def _memory_of(self, account: str) -> tuple[threading.Lock, RefusalMemory]:
        known = self._accounts.get(account)
        process_limiter = known.limiter if known else self.limiter_of_account(account)
        lock, limiter = process_limiter.own()
        if known is None or known.memory.limiter is not limiter:
            if len(self._accounts) >= self._accounts_limit:
                self._accounts.pop(next(iter(self._accounts)), None)
            known = self._accounts[account] = _AccountMemory(process_limiter, RefusalMemory(limiter, self._templates))
        return lock, known.memory


def _key(kind: TokenOptions | None, method: str, url: URLLike) -> EndpointKey:
    return EndpointKey(kind, method, raw_origin(url)[1:], url.path)


def _account(key: EndpointKey) -> str | None:
    return key.kind.account if isinstance(key.kind, TokenOptions) else None
