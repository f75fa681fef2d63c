"""A subscriber of a real server: it connects again after a restart, and after a silence."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prio_middleware.oauth.shared.connection import connect
from prio_middleware.oauth.shared.redis_store import CHANNEL
from prio_middleware.oauth.shared.subscriber import BATCH, POLL, Subscriber
from tests.oauth.shared.test_subscriber import Ear
from tests.redis_servers import Server, until


def drop(server: Server, letter: str) -> Callable[[], bool]:
    return lambda: server.admin().publish(CHANNEL, letter * 32) > 0


def test_a_server_that_is_silent_is_not_listened_to_for_ever(own_server: Server) -> None:
    made: list[Any] = []

    def connected() -> Any:
        made.append(connect(own_server.address, health_check_interval=0.01))
        return made[-1]

    subscriber, ear = Subscriber(connected, CHANNEL, lambda _: None, poll=0.05), Ear()
    subscriber.listen(ear.dropped)
    until(drop(own_server, "a"), "subscribed")
    own_server.pause()
    until(lambda: len(made) > 1, "another connection is tried")
    own_server.resume()
    until(drop(own_server, "b"), "subscribed again")
    until(lambda: "b" in ear.heard, "told again")


def test_a_real_server_is_listened_to_across_a_restart(own_server: Server) -> None:
    store, ear = own_server.store(), Ear()
    store.listen(ear.dropped)
    until(drop(own_server, "a"), "subscribed")
    until(lambda: "a" in ear.heard, "told")
    own_server.stop()
    own_server.start()
    until(drop(own_server, "b"), "subscribed again")
    until(lambda: "b" in ear.heard, "told again")


def test_a_flood_is_not_read_as_fast_as_it_comes(own_server: Server) -> None:
    store, ear = own_server.store(), Ear()
    store.listen(ear.dropped)
    until(drop(own_server, "a"), "subscribed")
    began_at, admin = time.monotonic(), own_server.admin()
    for _ in range(50):
        pipeline = admin.pipeline(transaction=False)
        for _ in range(200):
            pipeline.publish(CHANNEL, "f" * 32)
        pipeline.execute()
    until(lambda: time.monotonic() > began_at + 1.5, "some time passed")

    seconds = time.monotonic() - began_at
    assert 1 < len(ear.heard) <= BATCH * (seconds / POLL + 2) < 10_000
