"""The thread that listens: it tells, reconnects, and ends with whoever would listen."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware import Secret
from prio_middleware.tokens.shared import redis_store
from prio_middleware.tokens.shared import subscriber as subscriber_module
from prio_middleware.tokens.shared.connect import RedisAddress, connect
from prio_middleware.tokens.shared.subscriber import LONGEST_PAUSE, POLL, UNANSWERED, Subscriber
from tests.redis_servers import Server, until

CHANNEL = "prio-middleware:dropped"


class Ear:
    """Somebody who listens."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def dropped(self, generation: str) -> None:
        self.heard.append(generation)


class FakeChannel:
    """Plays messages; an error among them is raised. At the end it is silent."""

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
        return message

    def close(self) -> None:
        self.closed = True


def message(generation: str) -> dict[str, object]:
    return {"type": "message", "data": generation.encode()}


class Station:
    """A subscriber and what it hears on each of its connections."""

    def __init__(self, *connections: list[Any] | Exception) -> None:
        self.connections = list(connections)
        self.made: list[FakeChannel] = []
        self.pauses: list[float] = []
        self.let_go = threading.Event()
        self.threads: set[threading.Thread] = set()
        self.subscriber = Subscriber(self.connect, CHANNEL, self.pauses.append)

    def running(self) -> list[threading.Thread]:
        return [thread for thread in self.threads if thread.is_alive()]

    def connect(self) -> Any:
        self.threads.add(threading.current_thread())
        script = self.connections.pop(0) if self.connections else []
        if isinstance(script, Exception):
            raise script
        self.made.append(FakeChannel(script, self.let_go))
        return self.made[-1]


def test_everyone_who_listens_is_told() -> None:
    station, ears = Station([None, message("a"), {"type": "pong", "data": None}, message("b")]), [Ear(), Ear()]
    for ear in [*ears, ears[0]]:
        station.subscriber.listen(ear.dropped)
    until(lambda: "b" in ears[0].heard, "told")

    assert ears[0].heard == ["a", "b"]
    assert station.made[0].channel == CHANNEL
    assert len(station.running()) == 1


def test_who_is_gone_is_not_told_and_does_not_keep_the_thread() -> None:
    station, ear, gone = Station(), Ear(), Ear()
    station.subscriber.listen(gone.dropped)
    station.subscriber.listen(ear.dropped)
    until(lambda: station.made, "connected")
    del gone
    station.made[0].messages.append(message("a"))
    heard = ear.heard
    until(lambda: heard, "told")

    del ear
    until(lambda: not station.running(), "the thread ended")
    assert station.made[0].closed


def test_between_the_last_message_and_the_end_there_may_be_nobody() -> None:
    station, ear = Station(), Ear()
    station.subscriber._listeners[_dead()] = None
    station.subscriber._tell(message("a"))
    station.subscriber.listen(ear.dropped)

    assert ear.heard == []


def _dead() -> Any:
    return lambda: None


def test_it_connects_again_with_growing_pauses() -> None:
    failures = [ConnectionError() for _ in range(8)]
    station, ear = Station(*failures, [message("a"), ConnectionError()], [message("b")]), Ear()
    station.subscriber.listen(ear.dropped)
    until(lambda: ear.heard == ["a", "b"], "told over two connections")

    assert all(0 < pause <= POLL for pause in station.pauses)
    least = sum(min(2**failures, LONGEST_PAUSE) / 2 for failures in range(1, 9))
    assert least <= sum(station.pauses) <= 2 * least + 2  # after a message, it begins anew
    assert station.made[0].closed


def test_a_connection_on_which_no_ping_is_answered_is_given_up() -> None:
    station, ear = Station([], [message("a")]), Ear()
    station.subscriber.listen(ear.dropped)
    until(lambda: station.made, "connected")
    station.made[0].health_check_response_counter = UNANSWERED
    station.made[0].messages.append(message("one is under way"))
    until(lambda: ear.heard, "it is listened to")
    station.made[0].health_check_response_counter = UNANSWERED + 1
    until(lambda: "a" in ear.heard, "told over another connection")

    assert station.made[0].closed


def test_a_server_that_is_silent_is_not_listened_to_for_ever(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def connected() -> Any:
        made.append(connect(own_server.address, health_check_interval=0.01))
        return made[-1]

    monkeypatch.setattr(subscriber_module, "POLL", 0.05)
    subscriber, ear = Subscriber(connected, CHANNEL, lambda _: None), Ear()
    subscriber.listen(ear.dropped)
    until(drop(own_server, "a"), "subscribed")
    own_server.pause()
    until(lambda: len(made) > 1, "another connection is tried")
    own_server.resume()
    until(drop(own_server, "b"), "subscribed again")
    until(lambda: "b" in ear.heard, "told again")


def test_between_two_tries_it_ends_with_whoever_listened() -> None:
    station, ear = Station(), Ear()
    station.subscriber.listen(ear.dropped)
    until(lambda: station.made, "connected")
    del ear
    gc.collect()
    until(lambda: not station.running(), "the thread ended")
    station.subscriber._rest(1000.0)

    assert station.pauses == []


def test_a_child_listens_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    station, ear = Station(), Ear()
    station.subscriber.listen(ear.dropped)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    station.subscriber.listen(ear.dropped)
    until(lambda: len(station.made) == 2, "a second thread")


def test_of_callers_who_come_together_one_starts_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    station, ears = Station(), [Ear() for _ in range(8)]
    start = threading.Thread.start

    def slow(self: threading.Thread) -> None:
        if len(ears) > len(station.subscriber._listeners):  # The others come while it is being started.
            station.subscriber.listen(ears[len(station.subscriber._listeners)].dropped)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", slow)
    station.subscriber.listen(ears[0].dropped)
    until(lambda: station.made, "connected")
    monkeypatch.undo()
    for ear in ears:
        station.subscriber.listen(ear.dropped)
    station.made[0].messages.append(message("a"))
    until(lambda: all(ear.heard == ["a"] for ear in ears), "all are told")

    assert len(station.made) == 1


def test_where_no_thread_can_be_started_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    station, ear = Station([message("a")]), Ear()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        station.subscriber.listen(ear.dropped)
    assert ear.heard == []

    station.subscriber.listen(ear.dropped)
    until(lambda: ear.heard, "told after all")


def test_a_store_listens_on_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    station, ear = Station([message("a")]), Ear()
    monkeypatch.setattr(redis_store, "connect", lambda address, **options: station.connect())
    store = redis_store.RedisStore(RedisAddress(Secret("redis://localhost")))
    store.listen(ear.dropped)
    until(lambda: ear.heard == ["a"], "told")


def drop(server: Server, generation: str) -> Callable[[], bool]:
    return lambda: server.admin().publish(CHANNEL, generation) > 0


def test_a_real_server_is_listened_to_across_a_restart(own_server: Server) -> None:
    store, ear = own_server.store(), Ear()
    store.listen(ear.dropped)
    until(drop(own_server, "a"), "subscribed")
    until(lambda: "a" in ear.heard, "told")
    own_server.stop()
    own_server.start()
    until(drop(own_server, "b"), "subscribed again")
    until(lambda: "b" in ear.heard, "told again")
