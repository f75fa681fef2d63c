"""Thread that receives the ids of tokens that other processes drop.

Best effort: a process that misses an id learns from the API's rejection of the token.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .circuit_breaker import random_number
from .connection import close
from .store import ID_LENGTH

if TYPE_CHECKING:
    from .connection import Client

Dropped = Callable[[str], None]

POLL = 1.0  # Seconds between two checks for live listeners.
UNANSWERED = 5  # Pings without an answer after which a connection counts as lost: a firewall may have dropped it silently.
BATCH = 100  # Messages after which the thread pauses for a poll, so that a flood leaves the processor to the application.
LONGEST_RECONNECT = 30.0  # Seconds between two attempts to connect.


class Subscriber:
    """Subscriber to ``channel``: one thread in each process with listeners. It ends when the last listener is gone.

    A listener is a bound method. It is gone when its object is garbage-collected. ``pause`` waits for a number of seconds.
    """

    def __init__(
        self, connect: Callable[[], Client], channel: str, pause: Callable[[float], None] = time.sleep, poll: float = POLL
    ) -> None:
        self._connect = connect
        self._channel = channel
        self._pause = pause
        self._poll = poll
        self._listeners: dict[weakref.WeakMethod[Dropped], None] = {}
        self._threads: dict[int, threading.Thread] = {}

    def listen(self, dropped: Dropped) -> None:
        """Add the listener ``dropped``: the thread calls it with each id. Start the thread if this process has none."""
        self._listeners.setdefault(weakref.WeakMethod(dropped))
        pid = os.getpid()  # A parent process's thread does not run here, even where no fork hook runs.
        thread = threading.Thread(target=self._run, args=(pid,), name="prio_middleware.subscriber", daemon=True)
        if self._threads.setdefault(pid, thread) is thread:  # Only one of several concurrent callers starts it.
            try:
                thread.start()
            except RuntimeError:  # No more threads, or the interpreter is shutting down.
                self._threads.pop(pid, None)

    def _run(self, pid: int) -> None:
        try:
            self._receive()
        finally:
            self._threads.pop(pid, None)

    def _receive(self) -> None:
        failures = 0
        while self._has_listeners():
            try:
                with contextlib.closing(self._messages()) as messages:
                    received = 0
                    for message in messages:
                        failures = 0
                        self._notify(message)
                        received = received + 1 if message else 0  # A poll without a message also ends a batch.
                        if received and received % BATCH == 0:
                            self._pause(self._poll)
            except Exception:  # noqa: BLE001 - redis-py, sockets and TLS raise many types; the next attempt may succeed
                failures += 1
                seconds = min(2.0 ** min(failures, 10), LONGEST_RECONNECT) * (0.5 + random_number() / 2)
                while seconds > 0 and self._has_listeners():
                    self._pause(min(seconds, self._poll))
                    seconds -= self._poll

    def _messages(self) -> Any:
        """Yield each message, or None after a poll without one, until the last listener is gone."""
        client: Any = self._connect()
        try:
            with contextlib.closing(client.pubsub(ignore_subscribe_messages=True)) as channel:
                channel.subscribe(self._channel)
                while self._has_listeners():
                    yield channel.get_message(timeout=self._poll)
                    if channel.health_check_response_counter > UNANSWERED:
                        raise TimeoutError
        finally:
            close(client)

    def _notify(self, message: Any) -> None:
        if not message or message.get("type") != "message":
            return
        data = message.get("data")
        if not isinstance(data, bytes) or len(data) != ID_LENGTH:
            return
        token_id = data.decode("latin-1")
        for listener in list(self._listeners):
            dropped = listener()
            if dropped is not None:
                dropped(token_id)

    def _has_listeners(self) -> bool:
        for listener in list(self._listeners):
            if listener() is None:
                self._listeners.pop(listener, None)
        return bool(self._listeners)
