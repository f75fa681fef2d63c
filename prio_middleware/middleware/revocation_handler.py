"""Asks for a new token where a refusal is worth one."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from ..pipeline import Exchange, ResponseLike, URLLike, Verdict
from ..refusal import Refusal
from ..refusal_rules import RefusalRules
from ..tokens.token import TokenOptions
from .refusal_memory import Place, RefusalMemory

WATCH: Final = 120.0
"""Seconds after a refusal during which every success is noted."""

LOOK_BACK: Final = 256
"""Successes, the first of a quiet time, that are kept until something is refused: they tell which places answer."""

MEMORIES: Final = 64
"""Kinds of tokens (by scope, audience, ...) that are learnt about: the most recently used ones."""


_Success = tuple[TokenOptions | None, str, URLLike, int]
"""Options, method, URL and the token's serial of a call that was answered."""


class RevocationHandler:
    """Tells a dead token from a call that is refused whatever the token, and asks for re-authentication in the first case only.

    ``rules`` say which refusals may be about the token, and :class:`RefusalMemory` which of those are worth a new one. At most
    ``SURE + DOUBTFUL`` new tokens (see ``stakes.py``) are had in vain in a minute, whatever the server does.

    One handler serves all clients of the same settings, in any thread and event loop. A forked process starts with an empty
    memory.

    Args:
        rules: which statuses and error codes count.
        clock: seconds of a monotonic clock.
    """

    def __init__(self, rules: RefusalRules, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self.judges = frozenset(rules.statuses)
        self._clock = clock
        self._memories = _Memories()
        self._recent: deque[_Success] = deque(maxlen=LOOK_BACK)
        self._collecting = True
        self._watching = False
        self._watch_until = float("-inf")

    def on_response(self, exchange: Exchange, response: ResponseLike) -> Verdict | None:
        """Judge a refusal, or take note of a success. In quiet times it is only put by, which takes no lock."""
        if exchange.refusal is not None:
            return self._judge(exchange, exchange.refusal)
        if self._watching or self._collecting:
            self._note(exchange, response)
        return None

    def _judge(self, exchange: Exchange, refusal: Refusal) -> Verdict | None:
        token = exchange.token
        if token is None or not self._may_be_about_token(refusal):
            return None
        place, code, second = _place(exchange.request.method, exchange.request.url), _code(refusal), exchange.attempt > 1
        memories = self._own_memories()
        with memories.lock:
            now = self._clock()
            self._watching, self._watch_until = True, now + WATCH
            self._look_back(memories)
            again = memories.of(exchange.options).refused(place, code, token.serial, now, second=second)
        return Verdict.REAUTHENTICATE if again else None

    def _may_be_about_token(self, refusal: Refusal) -> bool:
        return refusal.complete and self.rules.may_be_about_token(refusal.status_code, refusal.code, refusal.challenge)

    def _look_back(self, memories: _Memories) -> None:
        self._collecting = True
        while self._recent:
            options, method, url, serial = self._recent.popleft()
            memories.of(options).accepted(_place(method, url), serial)

    def _note(self, exchange: Exchange, response: ResponseLike) -> None:
        token = exchange.token
        if token is None or not 200 <= response.status_code <= 299:
            return
        if not self._watching:
            self._recent.append((exchange.options, exchange.request.method, exchange.request.url, token.serial))
            self._collecting = len(self._recent) < LOOK_BACK
            return
        place, second = _place(exchange.request.method, exchange.request.url), exchange.attempt > 1
        memories = self._own_memories()
        with memories.lock:
            self._watching = self._clock() < self._watch_until
            memories.of(exchange.options).accepted(place, token.serial, second=second)

    def _own_memories(self) -> _Memories:
        # A fork copies a lock as it is, held for ever perhaps; and not every server runs Python's hooks after one.
        if self._memories.pid != os.getpid():
            self._memories = _Memories()
        return self._memories


class _Memories:
    """What one process has learnt, for each kind of token, under one lock."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self._by_options: OrderedDict[TokenOptions | None, RefusalMemory] = OrderedDict()

    def of(self, options: TokenOptions | None) -> RefusalMemory:
        memory = self._by_options.pop(options, None) or RefusalMemory()
        self._by_options[options] = memory
        if len(self._by_options) > MEMORIES:
            self._by_options.popitem(last=False)
        return memory


def _place(method: str, url: URLLike) -> Place:
    return Place(method, url.raw_host, url.path)


def _code(refusal: Refusal) -> str:
    """A revoked token may be answered with another status than a missing privilege: both together are the code."""
    return f"{refusal.status_code} {refusal.challenge or refusal.code}"
