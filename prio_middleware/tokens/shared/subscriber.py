"""A thread that hears which tokens other processes drop. Best effort: without it they are noticed by their refusal."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .connect import close

if TYPE_CHECKING:
    from .connect import Client

Dropped = Callable[[str], None]

POLL = 1.0
"""Seconds after which the thread looks whether anybody is left to tell."""

UNANSWERED = 5
"""Pings without an answer after which a connection is taken for lost, also where nobody says so: a firewall forgot it, say."""

LONGEST_PAUSE = 30.0
"""Seconds between two tries to connect, at most."""

_draw = random.SystemRandom().random


class Subscriber:
    """One thread in each process that has something to hear; it ends when nobody is left who would listen.

    Args:
        connect: makes a client.
        channel: where to listen.
        pause: waits for so many seconds.
    """

    def __init__(self, connect: Callable[[], Client], channel: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._connect = connect
        self._channel = channel
        self._pause = pause
        self._listeners: dict[weakref.WeakMethod[Dropped], None] = {}
        self._threads: dict[int, threading.Thread] = {}

    def listen(self, dropped: Dropped) -> None:
        """Have ``dropped``, a bound method, called with what is told of, in this process, as long as its object lives."""
        self._listeners.setdefault(weakref.WeakMethod(dropped))
        pid = os.getpid()  # What ran in a parent process does not run here, also where no fork hook says so.
        thread = threading.Thread(target=self._run, args=(pid,), name="prio_middleware.subscriber", daemon=True)
        if self._threads.setdefault(pid, thread) is thread:  # Of callers who come together, one starts it.
            try:
                thread.start()
            except RuntimeError:  # No more threads, or the interpreter is shutting down.
                self._threads.pop(pid, None)

    def _run(self, pid: int) -> None:
        try:
            self._listen()
        finally:
            self._threads.pop(pid, None)

    def _listen(self) -> None:
        failures = 0
        while self._anybody():
            try:
                with contextlib.closing(self._messages()) as messages:
                    for heard in messages:
                        failures = 0
                        self._tell(heard)
            except Exception:  # noqa: BLE001 - redis-py, sockets and TLS raise a great many; the next try may do
                failures += 1
                self._rest(min(2.0 ** min(failures, 10), LONGEST_PAUSE) * (0.5 + _draw() / 2))

    def _messages(self) -> Any:
        """Each message, or None now and then, as long as anybody listens."""
        client: Any = self._connect()
        try:
            with contextlib.closing(client.pubsub(ignore_subscribe_messages=True)) as channel:
                channel.subscribe(self._channel)
                while self._anybody():
                    yield channel.get_message(timeout=POLL)
                    if channel.health_check_response_counter > UNANSWERED:
                        raise TimeoutError
        finally:
            close(client)

    def _rest(self, seconds: float) -> None:
        """Wait, as long as anybody listens."""
        while seconds > 0 and self._anybody():
            self._pause(min(seconds, POLL))
            seconds -= POLL

    def _tell(self, heard: Any) -> None:
        if not heard or heard.get("type") != "message" or not isinstance(heard.get("data"), bytes):
            return
        generation = heard["data"].decode("latin-1")
        for listener in list(self._listeners):
            dropped = listener()
            if dropped is not None:
                dropped(generation)

    def _anybody(self) -> bool:
        for listener in list(self._listeners):
            if listener() is None:
                self._listeners.pop(listener, None)
        return bool(self._listeners)
