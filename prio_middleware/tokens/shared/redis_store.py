"""A Redis as a shared store: each operation is one script, sent once, and answered or not."""

from __future__ import annotations

import os
import re
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from . import lua
from .connect import RedisAddress, close, connect
from .store import Lease, Seen, Turn, Unreachable
from .subscriber import Subscriber

if TYPE_CHECKING:
    from .connect import Client

T = TypeVar("T")

PREFIX = "prio-middleware"
"""What every key and the channel begin with."""

CHANNEL = f"{PREFIX}:dropped"
"""Where dropped generations are told of."""

IDLE_LIMIT = 30.0
"""Seconds after which a connection is not trusted any more: a firewall may have forgotten it without a word."""

_CODE = re.compile(r"[A-Z]{2,20}\b")


class _Line(NamedTuple):
    client: Any
    pid: int
    used_at: float


class RedisStore:
    """Talks to a Redis, one script at a time, on connections of this process.

    No operation raises, and none is tried again: whoever asks can do without. After a failure all connections are made anew,
    so that a master that has moved is found.

    Args:
        address: where the Redis is.
        clock: seconds of a monotonic clock.
    """

    def __init__(self, address: RedisAddress, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._clock = clock
        self._lines: list[_Line] = []
        weakref.finalize(self, _close, self._lines)
        self._subscriber = Subscriber(lambda: connect(address, health_check_interval=30), CHANNEL)

    def look(self, name: str, refused: Mapping[str, float]) -> Seen | Unreachable:
        """What there is, after the ``refused`` generations were dropped."""
        told = [part for generation, life in refused.items() for part in (generation, _milliseconds(life))]
        return self._run(lua.LOOK, _keys(name, "token", "dropped", "refusal"), [CHANNEL, *told], _seen)

    def lead(self, name: str, seen: Seen, lease: Lease) -> Turn | Unreachable:
        """Take the lease, unless another owner holds it, or there is something else by now than was ``seen``."""
        generation, refusal = seen.generation.encode("latin-1"), seen.refusal or b""
        arguments = [generation, f"{lease.owner}:", lease.holder, _milliseconds(lease.seconds), refusal]
        return self._run(lua.LEAD, _keys(name, "token", "lease", "refusal"), arguments, _turn)

    def publish(self, name: str, lease: Lease, generation: str, sealed: bytes, life: float) -> bool | Unreachable:
        """Keep a token for all, and give the lease back; False: the lease was lost, or the generation dropped."""
        arguments = [lease.holder, _milliseconds(lease.seconds), generation, sealed, int(life * 1000)]
        return self._run(lua.PUBLISH, _keys(name, "token", "lease", "dropped", "refusal"), arguments, _done)

    def refuse(self, name: str, lease: Lease, sealed: bytes, life: float) -> bool | Unreachable:
        """Keep a refusal for all, and give the lease back; False: the lease was lost."""
        return self._run(lua.REFUSE, _keys(name, "lease", "refusal"), [lease.holder, sealed, _milliseconds(life)], _done)

    def release(self, name: str, lease: Lease) -> bool | Unreachable:
        """Give the lease back; False: it was lost."""
        return self._run(lua.RELEASE, _keys(name, "lease"), [lease.holder], _done)

    def listen(self, dropped: Callable[[str], None]) -> None:
        """Have ``dropped``, a bound method, called with each generation that somebody drops, as long as its object lives."""
        self._subscriber.listen(dropped)

    def __repr__(self) -> str:
        return f"<RedisStore {self._address!r}>"

    def _run(self, script: str, keys: list[str], arguments: list[Any], read: Callable[[Any], T]) -> T | Unreachable:
        try:
            # The whole script each time: after a restart or a failover there is nobody who would know it by its hash.
            return read(self._client().eval(script, len(keys), *keys, *arguments))
        except Exception as error:  # noqa: BLE001 - redis-py, sockets, TLS and garbage raise a great many
            _close(self._lines)
            return Unreachable(_word_for(error))

    def _client(self) -> Client:
        now, pid = self._clock(), os.getpid()
        client: Client | None = None
        for line in self._lines[-1:]:
            # What a parent process opened is its own, also where no fork hook says so.
            if line.pid == pid and now - line.used_at < IDLE_LIMIT:
                client = line.client
        if client is None:
            _close(self._lines)
            client = connect(self._address)
        self._lines[:] = [_Line(client, pid, now)]
        return client


def _close(lines: list[_Line]) -> None:
    """Close what is open. A forked child only closes its end of what its parent uses."""
    while lines:
        close(lines.pop().client)


def _keys(name: str, *kinds: str) -> list[str]:
    # Braces make one slot of a cluster of them: a script may touch no other.
    return [f"{PREFIX}:{{{name}}}:{kind}" for kind in kinds]


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _seen(answer: Any) -> Seen:
    record, life, refusal, refusal_life = answer
    return Seen(_bytes(record), int(life) / 1000, _bytes(refusal), int(refusal_life) / 1000)


def _turn(answer: Any) -> Turn:
    granted, wait = answer
    return Turn(int(granted) == 1, int(wait) / 1000)


def _done(answer: Any) -> bool:
    return int(answer) == 1


def _bytes(value: Any) -> bytes | None:
    if value is not None and not isinstance(value, bytes):
        raise TypeError("neither bytes nor nothing")
    return value


def _word_for(error: Exception) -> str:
    """The error's type, with Redis's own code where it has one: what else it says may be anybody's text."""
    found = _CODE.match(str(error))
    return f"{type(error).__name__} {found[0]}" if found else type(error).__name__
