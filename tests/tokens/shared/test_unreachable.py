"""Whatever a Redis does wrong is an answer, never an error; and what bounds the waiting cannot be talked away."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
from redis import exceptions

from prio_middleware import ConfigurationError, Secret
from prio_middleware.tokens.shared import connect as connect_module
from prio_middleware.tokens.shared import redis_store
from prio_middleware.tokens.shared.connect import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    PlainHostError,
    RedisAddress,
    checked,
    connect,
    require_redis,
)
from prio_middleware.tokens.shared.redis_store import IDLE_LIMIT, RedisStore
from prio_middleware.tokens.shared.store import Lease, Seen, Turn, Unreachable
from tests.redis_servers import free_port
from tests.tokens.kit import Clock

NAME = "a" * 40
LEASE = Lease("owner", "fetch", 10.0)
CANARY = "canary-9d41"

OPERATIONS: dict[str, Callable[[RedisStore], object]] = {
    "look": lambda store: store.look(NAME, {"1" * 32: 5.0}),
    "lead": lambda store: store.lead(NAME, Seen(), LEASE),
    "publish": lambda store: store.publish(NAME, LEASE, "1" * 32, b"sealed", 100.0),
    "refuse": lambda store: store.refuse(NAME, LEASE, b"sealed", 100.0),
    "release": lambda store: store.release(NAME, LEASE),
}
WELL_ANSWERED: dict[str, tuple[Any, object]] = {
    "look": ([b"1" * 32 + b"x", 5000, None, -2], Seen(b"1" * 32 + b"x", 5.0, None, -0.002)),
    "lead": ([0, 1500], Turn(granted=False, wait=1.5)),
    "publish": (1, True),
    "refuse": (0, False),
    "release": (1, True),
}


class FakeClient:
    """Answers every script alike. ``answer`` may be an error, which it raises."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []
        self.closed = False
        self.at_close = redis.ConnectionError()

    def close(self) -> None:
        self.closed = True
        raise self.at_close

    def eval(self, *arguments: Any) -> object:
        self.asked.append(arguments)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[FakeClient]:
    """Those that were made, the answers of which can be changed."""
    made: list[FakeClient] = []

    def make(_: RedisAddress) -> FakeClient:
        made.append(FakeClient(1))
        return made[-1]

    monkeypatch.setattr(redis_store, "connect", make)
    return made


@pytest.fixture
def store(clients: list[FakeClient]) -> RedisStore:
    made = RedisStore(RedisAddress(Secret("redis://localhost")), Clock())
    made.release(NAME, LEASE)
    return made


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_is_understood(operation: str, store: RedisStore, clients: list[FakeClient]) -> None:
    clients[0].answer, expected = WELL_ANSWERED[operation]

    assert OPERATIONS[operation](store) == expected
    keys = clients[0].asked[-1][2 : 2 + clients[0].asked[-1][1]]
    assert all(key.startswith(f"prio-middleware:{{{NAME}}}:") for key in keys)


@pytest.mark.pitfall(id="store-down")
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (redis.ConnectionError(f"Error 111 connecting to {CANARY}:6379"), "ConnectionError"),
        (redis.TimeoutError("Timeout reading from socket"), "TimeoutError"),
        (redis.ResponseError("OOM command not allowed when used memory > 'maxmemory'."), "ResponseError OOM"),
        (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "ResponseError MISCONF"),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), "ReadOnlyError"),
        (exceptions.NoScriptError("No matching script."), "NoScriptError"),
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "BusyLoadingError"),
        (exceptions.MovedError("3999 127.0.0.1:6381"), "MovedError"),
        (exceptions.ClusterDownError("The cluster is down"), "ClusterDownError"),
        (redis.AuthenticationError("WRONGPASS invalid username-password pair"), "AuthenticationError WRONGPASS"),
        (exceptions.NoPermissionError(f"NOPERM User {CANARY} has no permissions"), "NoPermissionError NOPERM"),
        (redis.InvalidResponse(f"Protocol Error: b'{CANARY}'"), "InvalidResponse"),
        (OSError(28, "No space left on device"), "OSError"),
        (ssl.SSLError("CERTIFICATE_VERIFY_FAILED"), "SSLError"),
        (UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, "x"), "UnicodeDecodeError"),
    ],
)
def test_every_failure_is_an_answer_in_our_words(
    operation: str, error: Exception, reason: str, store: RedisStore, clients: list[FakeClient]
) -> None:
    clients[0].answer = error
    answer = OPERATIONS[operation](store)

    assert answer == Unreachable(reason)
    assert CANARY not in repr(answer)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "answer", [None, [], [None], "x", b"x", {}, ["x", "y", "z", "w"], [[], [], [], []], [1, None, 1, None], object()]
)
def test_an_answer_of_another_form_is_none(
    operation: str, answer: object, store: RedisStore, clients: list[FakeClient]
) -> None:
    clients[0].answer = answer

    assert isinstance(OPERATIONS[operation](store), Unreachable)


def test_after_a_failure_connections_are_new(store: RedisStore, clients: list[FakeClient]) -> None:
    clients[0].answer = redis.ConnectionError()
    store.release(NAME, LEASE)

    assert store.release(NAME, LEASE) is True
    assert [client.closed for client in clients] == [True, False]


def test_a_connection_that_was_idle_for_long_is_not_trusted(clients: list[FakeClient]) -> None:
    clock = Clock()
    store = RedisStore(RedisAddress(Secret("redis://localhost")), clock)
    for _ in range(3):
        store.release(NAME, LEASE)
        clock.now += IDLE_LIMIT - 1
    assert len(clients) == 1

    clock.now += 1
    store.release(NAME, LEASE)
    assert [client.closed for client in clients] == [True, False]


def test_a_store_that_goes_leaves_no_connection_open(clients: list[FakeClient]) -> None:
    store = RedisStore(RedisAddress(Secret("redis://localhost")), Clock())
    store.release(NAME, LEASE)
    del store

    assert clients[0].closed


def test_a_child_has_connections_of_its_own(
    store: RedisStore, clients: list[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)
    store.release(NAME, LEASE)

    assert len(clients) == 2


def served(answer: Callable[[socket.socket], None]) -> Iterator[RedisAddress]:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with closing(connection):
                    answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield RedisAddress(Secret(f"redis://127.0.0.1:{listening.getsockname()[1]}"))
        listening.shutdown(socket.SHUT_RDWR)


GARBAGE = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 100, b"$-5\r\n", b"*1000000000\r\n", b":x\r\n", b"", b"-ERR\r\n" * 9]


@pytest.mark.parametrize("operation", ["look", "publish"])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_what_is_no_redis_is_no_help_and_no_harm(operation: str, garbage: bytes) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(garbage)

    for address in served(answer):
        assert isinstance(OPERATIONS[operation](RedisStore(address)), Unreachable)


def test_what_never_answers_is_not_waited_for() -> None:
    let_go = threading.Event()
    for address in served(lambda _: (let_go.wait(60), None)[1]):
        assert OPERATIONS["look"](RedisStore(address)) == Unreachable("TimeoutError")
        let_go.set()


@pytest.mark.parametrize("mode", ["single", "cluster", "sentinel"])
def test_where_nobody_listens_there_is_no_store(mode: Any) -> None:
    address = RedisAddress(Secret(f"redis://127.0.0.1:{free_port()}"), mode, (("127.0.0.1", free_port()),), "master")

    assert isinstance(OPERATIONS["look"](RedisStore(address)), Unreachable)


# How clients are made


def options(address: RedisAddress) -> dict[str, Any]:
    client: Any = connect(address)
    kept: dict[str, Any] = client.connection_pool.connection_kwargs
    return kept


QUERY = "?socket_timeout=60&socket_connect_timeout=60&retry_on_timeout=true&ssl_cert_reqs=none&decode_responses=true&db=9"


@pytest.mark.pitfall(id="store-down")
@pytest.mark.parametrize(
    "url", ["redis://:pw@localhost:7000/3", "rediss://us%40er:p%23w@redis.example.com", "unix:///run/x.sock"]
)
@pytest.mark.parametrize("query", ["", QUERY])
@pytest.mark.parametrize("mode", ["single", "sentinel"])
def test_no_url_can_lengthen_a_wait_or_switch_a_check_off(url: str, query: str, mode: Any) -> None:
    made = options(RedisAddress(Secret(url + query), mode, service="master"))

    assert (made["socket_connect_timeout"], made["socket_timeout"]) == (CONNECT_TIMEOUT, READ_TIMEOUT) == (0.25, 0.25)
    assert made["retry"]._retries == 0
    assert not made.get("decode_responses")
    if url.startswith("rediss"):
        assert (made["ssl_cert_reqs"], made["ssl_check_hostname"]) == ("required", True)
        assert (made["username"], made["password"]) == ("us@er", "p#w")
    if url.startswith("redis:"):
        assert (made["db"], made["password"]) == (3, "pw")


def test_a_url_says_where() -> None:
    assert options(RedisAddress(Secret("redis://redis.example.com")))["port"] == 6379
    assert options(RedisAddress(Secret("redis://[::1]:7000")))["host"] == "::1"
    assert options(RedisAddress(Secret("unix:///run/re%20dis.sock")))["path"] == "/run/re dis.sock"


def test_an_authority_of_ones_own_stands_in_for_the_usual_ones(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"

    assert options(RedisAddress(Secret("rediss://localhost"), ca_file=file))["ssl_ca_certs"] == str(file)


def test_sentinels_do_not_get_the_password_of_the_master() -> None:
    address = RedisAddress(Secret(f"rediss://user:{CANARY}@one.example"), "sentinel", (("two.example", 7000),), "master")
    client: Any = connect(address)
    sentinels = client.connection_pool.sentinel_manager.sentinels
    asked = [sentinel.connection_pool.connection_kwargs for sentinel in sentinels]

    assert [(made["host"], made["port"]) for made in asked] == [("one.example", 26379), ("two.example", 7000)]
    assert all(made["socket_timeout"] == READ_TIMEOUT and made["ssl_cert_reqs"] == "required" for made in asked)
    assert CANARY not in repr(asked)


@pytest.mark.parametrize(
    ("url", "elsewhere", "host", "passes"),
    [
        ("redis://localhost", False, "127.0.0.1", True),
        ("redis://localhost", False, "::1", True),
        ("redis://localhost", False, "192.0.2.1", False),
        ("redis://localhost", False, "redis.example.com", False),
        ("redis://redis", True, "192.0.2.1", True),
        ("rediss://redis", False, "192.0.2.1", True),
    ],
)
def test_a_host_that_a_server_names_is_another_machine_only_if_that_was_allowed(
    url: str, elsewhere: bool, host: str, passes: bool
) -> None:
    address = RedisAddress(Secret(url), "cluster", plain_elsewhere=elsewhere)
    if passes:
        assert checked(address, (host, 6379)) == (host, 6379)
    else:
        with pytest.raises(PlainHostError):
            checked(address, (host, 6379))


def test_an_address_does_not_show_itself() -> None:
    address = RedisAddress(Secret(f"redis://user:{CANARY}@localhost"))

    assert CANARY not in f"{address!r} {RedisStore(address)!r}"


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_redis()
    monkeypatch.setattr(connect_module, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'prio-middleware\[redis\]'") as caught:
        require_redis("shop")

    assert caught.value.client == "shop"
