"""Asks for a new token where a refusal is worth one."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from ..pipeline import Exchange, RequestLike, ResponseLike, Verdict
from ..refusal_rules import RefusalRules
from ..tokens.options import request_options
from ..tokens.token import TokenOptions
from .refusal_memory import Place, RefusalMemory

WATCH: Final = 120.0
"""Seconds after a refusal during which every success is recorded."""

SAMPLE: Final = 16
"""In quiet times, one success in so many is recorded: so it is known which places answer, and it costs next to nothing."""

MEMORIES: Final = 64
"""Kinds of tokens (by scope, audience, ...) that are learnt about one by one: the most recently used ones."""


class RevocationHandler:
    """Tells a dead token from a call that is refused whatever the token, and asks for re-authentication in the first case only.

    ``rules`` say which refusals may be about the token; :class:`RefusalMemory` says which of those are worth a new one. One
    handler serves all clients of the same settings, in any thread or event loop. A forked process starts with a memory of its own.

    Args:
        rules: which statuses and error codes count.
        clock: seconds of a monotonic clock.
    """

    def __init__(self, rules: RefusalRules, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self.judges = frozenset(rules.statuses)
        self._clock = clock
        self._memories = _Memories()
        self._watching = False
        self._watch_until = float("-inf")
        self._sample = itertools.cycle([True, *[False] * (SAMPLE - 1)])

    def on_response(self, exchange: Exchange, response: ResponseLike) -> Verdict:
        """Judge a refusal; take note of a success."""
        if exchange.refusal is not None:
            return self._judge(exchange)
        if self._watching or next(self._sample):
            self._note(exchange, response)
        return Verdict.DELIVER

    def _judge(self, exchange: Exchange) -> Verdict:
        token, refusal = exchange.token, exchange.refusal
        if token is None or refusal is None or not refusal.complete:
            return Verdict.DELIVER
        if not self.rules.may_be_about_token(refusal.status_code, refusal.code, refusal.challenge):
            return Verdict.DELIVER
        now = self._clock()
        self._watching, self._watch_until = True, now + WATCH
        place, code = _place(exchange.request), f"{refusal.status_code} {refusal.challenge or refusal.code}"
        memories = self._own_memories()
        with memories.lock:
            again = memories.of(exchange).refused(place, code, token.serial, now, second=exchange.attempt > 1)
        return Verdict.REAUTHENTICATE if again else Verdict.DELIVER

    def _note(self, exchange: Exchange, response: ResponseLike) -> None:
        if exchange.token is None or not 200 <= response.status_code <= 299:
            return
        memories = self._own_memories()
        with memories.lock:
            memories.of(exchange).accepted(_place(exchange.request), exchange.token.serial, second=exchange.attempt > 1)
        self._watching = self._clock() < self._watch_until

    def _own_memories(self) -> _Memories:
        # A fork copies the lock as it is, held for ever perhaps; and not every server runs Python's hooks after one.
        if self._memories.pid != os.getpid():
            self._memories = _Memories()
        return self._memories


class _Memories:
    """What one process has learnt, for each kind of token, under one lock."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self._by_options: OrderedDict[TokenOptions, RefusalMemory] = OrderedDict()

    def of(self, exchange: Exchange) -> RefusalMemory:
        options = request_options(exchange.request.extensions, exchange.client, exchange.request.url)
        memory = self._by_options.setdefault(options, RefusalMemory())
        self._by_options.move_to_end(options)
        if len(self._by_options) > MEMORIES:
            self._by_options.popitem(last=False)
        return memory


def _place(request: RequestLike) -> Place:
    return Place(request.method, request.url.raw_host, request.url.path)
