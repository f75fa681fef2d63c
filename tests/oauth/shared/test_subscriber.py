"""Subscriber thread: it notifies, reconnects, and ends with its last listener."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware import Secret
from prio_middleware.oauth.shared.connection import RedisAddress
from prio_middleware.oauth.shared.redis_store import CHANNEL, RedisStore
from prio_middleware.oauth.shared.subscriber import BATCH, LONGEST_RECONNECT, POLL, UNANSWERED, Subscriber
from tests.oauth.helpers import TIMEOUT, wait_for


class Ear:
    """Listener that keeps the first letter of each id."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def dropped(self, token_id: str) -> None:
        assert len(token_id) == 32
        self.heard.append(token_id[0])


class FakeChannel:
    """Channel with given messages, then none. It raises an error among them, and calls a function for its message."""

    def __init__(self, messages: list[Any], let_go: threading.Event) -> None:
        self.messages = messages
        self.let_go = let_go
        self.channel = ""
        self.closed = False
        self.health_check_response_counter = 0

    def pubsub(self, **options: bool) -> FakeChannel:
        assert options == {"ignore_subscribe_messages": True}
        return self

    def subscribe(self, channel: str) -> None:
        self.channel = channel

    def get_message(self, timeout: float) -> Any:
        if not self.messages:
            self.let_go.wait(0.01)
            return None
        message = self.messages.pop(0)
        if isinstance(message, Exception):
            raise message
        return message() if callable(message) else message

    def close(self) -> None:
        self.closed = True


def message(letter: str) -> dict[str, object]:
    return {"type": "message", "data": letter.encode() * 32}


class Station:
    """A subscriber, and the messages of each of its connections."""

    def __init__(self, *connections: list[Any] | Callable[[], object]) -> None:
        self.connections: list[Any] = list(connections)
        self.made: list[FakeChannel] = []
        self.pauses: list[float] = []
        self.let_go = threading.Event()
        self.threads: set[threading.Thread] = set()
        self.subscriber = Subscriber(self.connect, CHANNEL, self.pauses.append)

    def running(self) -> list[threading.Thread]:
        return [thread for thread in self.threads if thread.is_alive()]

    def connect(self) -> Any:
        self.threads.add(threading.current_thread())
        script: Any = self.connections.pop(0) if self.connections else []
        if callable(script):
            script()
        messages: Any = script
        self.made.append(FakeChannel(messages, self.let_go))
        return self.made[-1]


def test_every_listener_receives_the_message() -> None:
    station, ears = Station([None, message("a"), {"type": "pong", "data": None}, message("b")]), [Ear(), Ear()]
    for ear in [*ears, ears[0]]:
        station.subscriber.listen(ear.dropped)
    wait_for(lambda: "b" in ears[0].heard)

    assert ears[0].heard == ["a", "b"]
    assert station.made[0].channel == CHANNEL
    assert len(station.running()) == 1


def test_a_listener_that_is_gone_is_not_told_and_does_not_keep_the_thread() -> None:
    station, ear, gone = Station(), Ear(), Ear()
    station.subscriber.listen(gone.dropped)
    station.subscriber.listen(ear.dropped)
    wait_for(lambda: station.made)
    del gone
    station.made[0].messages.append(message("a"))
    heard = ear.heard
    wait_for(lambda: heard)

    del ear
    wait_for(lambda: not station.running())
    assert station.made[0].closed


def test_a_listener_that_leaves_during_a_message_does_not_receive_it() -> None:
    ears, told = [Ear(), Ear()], list[str]()

    def leave() -> object:
        told.extend(ears.pop().heard)
        gc.collect()
        return message("a")

    station = Station()
    for number in range(2):
        station.subscriber.listen(ears[number].dropped)
    wait_for(lambda: station.made)
    station.made[0].messages += [leave, message("b")]
    wait_for(lambda: len(ears) == 1 and ears[0].heard == ["a", "b"])

    assert told == []
    assert len(station.made) == 1


def test_what_is_no_token_id_reaches_no_listener() -> None:
    others: list[object] = [b"", b"a", b"a" * 31, b"a" * 33, b"a" * 100_000, "a" * 32, None]
    station, ear = Station([*({"type": "message", "data": data} for data in others), message("b")]), Ear()
    station.subscriber.listen(ear.dropped)
    wait_for(lambda: ear.heard)

    assert ear.heard == ["b"]


def test_a_flood_of_messages_is_read_in_batches() -> None:
    flood = [message("a") if number % 2 else {"type": "message", "data": b"x"} for number in range(10 * BATCH)]
    station, ear = Station([*flood, message("b")]), Ear()
    station.subscriber.listen(ear.dropped)
    wait_for(lambda: "b" in ear.heard)

    assert station.pauses == [POLL] * 10


def test_a_few_messages_at_a_time_are_not_delayed() -> None:
    few = [message("a")] * (BATCH // 2)
    station, ear = Station([*few, None, *few, None, *few, None, message("b")]), Ear()
    station.subscriber.listen(ear.dropped)
    wait_for(lambda: "b" in ear.heard)

    assert station.pauses == []


def test_a_subscriber_reconnects_with_growing_pauses() -> None:
    def fail() -> None:
        raise ConnectionError

    failures = [fail] * 8
    station, ear = Station(*failures, [message("a"), ConnectionError()], [message("b")]), Ear()
    station.subscriber.listen(ear.dropped)
    wait_for(lambda: ear.heard == ["a", "b"])

    assert all(0 < pause <= POLL for pause in station.pauses)
    least = sum(min(2**failures, LONGEST_RECONNECT) / 2 for failures in range(1, 9))
    assert least <= sum(station.pauses) <= 2 * least + 2  # a message resets the pauses
    assert station.made[0].closed


def test_a_connection_on_which_no_ping_is_answered_is_given_up() -> None:
    station, ear = Station([], [message("a")]), Ear()
    station.subscriber.listen(ear.dropped)
    wait_for(lambda: station.made)
    station.made[0].health_check_response_counter = UNANSWERED
    station.made[0].messages.append(message("u"))
    wait_for(lambda: ear.heard)
    station.made[0].health_check_response_counter = UNANSWERED + 1
    wait_for(lambda: "a" in ear.heard)

    assert station.made[0].closed


def test_between_two_tries_it_ends_with_its_listeners() -> None:
    ears, is_listening = [Ear()], threading.Event()

    def lose_everybody() -> None:
        assert is_listening.wait(TIMEOUT)  # The argument keeps the listener alive.
        ears.clear()
        gc.collect()
        raise ConnectionError

    station = Station(lose_everybody)
    station.subscriber.listen(ears[0].dropped)
    is_listening.set()
    wait_for(lambda: station.threads and not station.running())

    assert ears == []
    assert (station.made, station.pauses) == ([], [])


def test_a_child_listens_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    station, ear = Station(), Ear()
    station.subscriber.listen(ear.dropped)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    station.subscriber.listen(ear.dropped)
    wait_for(lambda: len(station.made) == 2)


def test_of_simultaneous_callers_one_starts_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    station, ears = Station(), [Ear() for _ in range(8)]
    start = threading.Thread.start

    def slow(self: threading.Thread) -> None:
        for ear in ears[1:]:  # The others are added while the thread starts.
            station.subscriber.listen(ear.dropped)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", slow)
    station.subscriber.listen(ears[0].dropped)
    wait_for(lambda: station.made)
    station.made[0].messages.append(message("a"))
    wait_for(lambda: all(ear.heard == ["a"] for ear in ears))

    assert len(station.made) == 1


def test_where_no_thread_can_be_started_there_is_no_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    station, ear = Station([message("a")]), Ear()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        station.subscriber.listen(ear.dropped)
    assert ear.heard == []

    station.subscriber.listen(ear.dropped)
    wait_for(lambda: ear.heard)


def test_a_store_listens_on_connections_of_its_own() -> None:
    station, ear, seen = Station([message("a")]), Ear(), list[dict[str, int]]()

    def connect(address: RedisAddress, **options: int) -> Any:
        seen.append(options)
        return station.connect()

    store = RedisStore(RedisAddress(Secret("redis://localhost")), connect=connect)
    store.listen(ear.dropped)
    wait_for(lambda: ear.heard == ["a"])

    assert seen == [{"health_check_interval": 30}]
    assert station.made[0].channel == CHANNEL
