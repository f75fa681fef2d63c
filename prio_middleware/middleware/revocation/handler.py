"""Revocation handler: asks for a new token if a refusal probably rejects the token."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from ..._util.clock import Clock, current_clock
from ..._util.origins import raw_origin
from ...oauth.access_token import TokenOptions
from ...pipeline.exchange import Exchange, Verdict
from ...pipeline.protocols import ResponseLike
from ...telemetry.counters import ClientCounters
from .memory import TEXT_LIMIT, EndpointKey, PathTemplates, RefusalMemory, text_length
from .renewal_limiter import ProcessLimiter
from .rules import RefusalRules

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from ...oauth.access_token import AccessToken
    from .refusal import Refusal

WATCH_SECONDS: Final = 120.0  # Seconds after a refusal during which every success is recorded.
# Successes kept while nothing is refused: the first ones since the last watch. They show which endpoints accept the token.
BACKLOG: Final = 256
MEMORIES_LIMIT: Final = 1024  # Maximum accounts whose refusals are remembered: the newest ones.


class _ProcessMemory:
    """Refusal memory of this process, under the lock of its limiter. A forked process starts with an empty one."""

    def __init__(self, limiter: ProcessLimiter, templates: PathTemplates) -> None:
        self._limiter = limiter
        self._templates = templates
        self._memory = RefusalMemory(limiter.of_this_process()[1], templates)

    def of_this_process(self) -> tuple[threading.Lock, RefusalMemory]:
        lock, limiter = self._limiter.of_this_process()
        if self._memory.limiter is not limiter:  # This process was forked.
            self._memory = RefusalMemory(limiter, self._templates)
        return lock, self._memory


class RevocationHandler:
    """Component that asks for re-authentication if a refusal probably rejects the token, rather than the call.

    ``rules`` select refusals that may reject the token. :class:`RefusalMemory` decides which of them deserve a new token.
    :class:`RenewalLimiter` limits renewals that did not help: at most ``LIMIT + RESERVE`` (see ``renewal_limiter.py``) within a
    minute. Each kind of token whose renewal helped allows one more, for a kind that was not renewed yet.

    One handler serves all clients of the same settings, in any thread and event loop. A forked process starts with an empty
    memory.

    Args:
        rules: statuses and error codes that may reject the token.
        clock: monotonic clock, in seconds; default: the clock of the package.
        limiter: shared by all handlers of the same credentials, see :func:`limiter_of`; default: one of its own.
        templates: path templates, whose paths share their counts.

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
    ) -> None:
        self.rules = rules
        self.counters = ClientCounters("default")  # The pipeline replaces them with its own.
        self.refusal_statuses = frozenset(rules.statuses)
        self._clock = clock or current_clock()
        self._templates = templates or PathTemplates()
        self._memory = _ProcessMemory(limiter or ProcessLimiter(), self._templates)
        self.limiter_of_account: Callable[[str], ProcessLimiter] = lambda _: ProcessLimiter()
        self._accounts: dict[str, _ProcessMemory] = {}
        self._recent: deque[tuple[EndpointKey, int]] = deque(maxlen=BACKLOG)
        self._collecting = True
        self._watching = False
        self._watch_until = float("-inf")

    def on_response(self, exchange: Exchange, response: ResponseLike) -> Verdict | None:
        """Judge a refusal, or record a success. Without refusals, only the first ``BACKLOG`` are kept, without a lock."""
        if exchange.refusal is not None:
            return self._judge(exchange, exchange.refusal)
        if self._watching or self._collecting:
            self._record_success(exchange, response)
        return None

    def _judge(self, exchange: Exchange, refusal: Refusal) -> Verdict | None:
        token = exchange.token
        if token is None or self.rules.wants_other_scheme(refusal.status_code, refusal.schemes, token.token_type):
            return None
        if refusal.is_conclusive and self.rules.may_reject_token(refusal.status_code, refusal.code, refusal.challenge):
            # An unchanged token is known to be rejected, so nothing is recorded. The transport explains why it does not retry.
            return Verdict.REAUTHENTICATE if token.unchanged else self._decide(exchange, refusal, token)
        # A 403 without a known code may mean an invalid token or a missing privilege.
        if refusal.status_code == 403 and refusal.code is None and refusal.challenge is None and 403 in self.rules.statuses:
            from ...telemetry.logs import count_ignored_403

            count_ignored_403(self.counters, exchange.client, exchange.request.method, exchange.request.url, self._clock())
        return None

    def _decide(self, exchange: Exchange, refusal: Refusal, token: AccessToken) -> Verdict | None:
        endpoint_key = _endpoint_key(exchange)
        account = _account(endpoint_key)
        # A revoked token may get another status than a missing privilege, so the status is part of the code.
        code = f"{refusal.status_code} {refusal.challenge or refusal.code}"
        explicit = self.rules.names_token(refusal.status_code, refusal.code, refusal.challenge)
        lock, memory = self._memory_of(account).of_this_process()
        with lock:
            now = self._clock()
            self._watching, self._watch_until = True, now + WATCH_SECONDS
            self._collecting = True
            for _ in range(len(self._recent)):
                try:
                    earlier, serial = self._recent.popleft()
                except IndexError:  # Another account, which has another lock, took the rest.
                    break
                if _account(earlier) != account:
                    self._recent.append((earlier, serial))
                    continue
                # Nothing was refused while these were collected, so assume that these endpoints accept the token of this call.
                newest = max(serial, token.serial) if earlier.kind == exchange.options else serial
                memory.record_success(earlier, newest)
            retries = memory.judge_refusal(
                endpoint_key, code, token.serial, now, explicit=explicit, retried=exchange.attempt > 1
            )
        return Verdict.REAUTHENTICATE if retries else None

    def _record_success(self, exchange: Exchange, response: ResponseLike) -> None:
        token = exchange.token
        if token is None or not 200 <= response.status_code <= 299:
            return
        if token.unchanged:
            token.unchanged.works = True
        endpoint_key = _endpoint_key(exchange)
        if not self._watching:
            if text_length(endpoint_key) <= TEXT_LIMIT:  # Paths may come from outside, and the backlog must stay small.
                self._recent.append((endpoint_key, token.serial))
            self._collecting = len(self._recent) < BACKLOG
            return
        lock, memory = self._memory_of(_account(endpoint_key)).of_this_process()
        with lock:
            self._watching = self._clock() < self._watch_until
            memory.record_success(endpoint_key, token.serial, retried=exchange.attempt > 1)

    def _memory_of(self, account: str | None) -> _ProcessMemory:
        """Return the memory of the client, or of one of its accounts: a refusal of one says nothing about another."""
        if account is None:
            return self._memory
        memory = self._accounts.get(account)
        if memory is None:
            if len(self._accounts) >= MEMORIES_LIMIT:
                self._accounts.pop(next(iter(self._accounts)), None)
            memory = self._accounts[account] = _ProcessMemory(self.limiter_of_account(account), self._templates)
        return memory


def _endpoint_key(exchange: Exchange) -> EndpointKey:
    url = exchange.request.url
    return EndpointKey(exchange.options, exchange.request.method, raw_origin(url)[1:], url.path)


def _account(endpoint_key: EndpointKey) -> str | None:
    return endpoint_key.kind.account if isinstance(endpoint_key.kind, TokenOptions) else None
