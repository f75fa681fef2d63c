"""Failures of a Redis server: each is a result, never an exception, and no setting removes the timeouts."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from redis import exceptions
from redis.crc import key_slot

from prio_middleware import ConfigurationError, Secret
from prio_middleware.oauth.shared.connection import (
    CONNECT_TIMEOUT,
    READ_TIMEOUT,
    RedisAddress,
    connect,
    may_be_plain,
    require_packages,
)
from prio_middleware.oauth.shared.redis_store import IDLE_LIMIT, RedisStore
from prio_middleware.oauth.shared.store import Lease, LeaseReply, StoreEntry, StoreFailure
from tests.oauth.helpers import Clock
from tests.redis_servers import free_port

NAME = "a" * 40
LEASE = Lease("owner", "fetch", 10.0)
CANARY = "canary-9d41"

OPERATIONS: dict[str, Callable[[RedisStore], object]] = {
    "read": lambda store: store.drop_and_read(NAME, {"1" * 32: 5.0}),
    "acquire_lease": lambda store: store.acquire_lease(NAME, StoreEntry(), LEASE),
    "publish_token": lambda store: store.publish_token(NAME, LEASE, "1" * 32, b"sealed", 100.0),
    "publish_error": lambda store: store.publish_error(NAME, LEASE, b"sealed", 100.0),
    "release_lease": lambda store: store.release_lease(NAME, LEASE),
}
WELL_ANSWERED: dict[str, tuple[Any, object]] = {
    "read": ([b"1" * 32 + b"x", 5000, None, -2], StoreEntry(b"1" * 32 + b"x", 5.0, None, -0.002)),
    "acquire_lease": ([0, 1500], LeaseReply(granted=False, wait_seconds=1.5)),
    "publish_token": (1, True),
    "publish_error": (0, False),
    "release_lease": (1, True),
}


class FakeClient:
    """Client with one answer to every script. If ``answer`` is an error, it is raised."""

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


class Fakes:
    """A store and the clients that it made, each with the same answer at first."""

    def __init__(self, answer: Any = 1) -> None:
        self.clients: list[FakeClient] = []
        self.clock = Clock()
        self.answer = answer
        self.store = RedisStore(RedisAddress(Secret("redis://localhost")), self.clock, connect=self.connect)

    def connect(self, address: RedisAddress) -> Any:
        self.clients.append(FakeClient(self.answer))
        return self.clients[-1]

    @property
    def closed(self) -> list[bool]:
        return [client.closed for client in self.clients]


def test_an_answer_is_understood(subtests: pytest.Subtests) -> None:
    for operation, ask in OPERATIONS.items():
        with subtests.test(operation=operation):
            answer, expected = WELL_ANSWERED[operation]
            fakes = Fakes(answer)

            assert ask(fakes.store) == expected
            ((_, number, *more),) = fakes.clients[0].asked
            keys = more[:number]
            assert keys
            assert all(key.startswith(f"prio-middleware:{{{NAME}}}:") for key in keys)


@pytest.mark.pitfall(id="store-down")
def test_every_failure_is_an_unreachable_result(subtests: pytest.Subtests) -> None:
    rows: list[tuple[Exception, str]] = [
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
    ]
    for error, reason in rows:
        with subtests.test(error=error):
            answers = [ask(Fakes(error).store) for ask in OPERATIONS.values()]

            assert answers == [StoreFailure(reason)] * 5
            assert CANARY not in repr(answers)


def test_an_answer_of_another_form_is_none(subtests: pytest.Subtests) -> None:
    answers: list[object] = [
        None,
        [],
        [None],
        "x",
        b"x",
        {},
        ["x", "y", "z", "w"],
        [[], [], [], []],
        [1, None, 1, None],
        object(),
    ]
    for answer in answers:
        with subtests.test(answer=answer):
            for ask in OPERATIONS.values():
                assert isinstance(ask(Fakes(answer).store), StoreFailure)


def test_after_a_failure_connections_are_new() -> None:
    fakes = Fakes(redis.ConnectionError())
    fakes.store.release_lease(NAME, LEASE)
    fakes.answer = 1

    assert fakes.store.release_lease(NAME, LEASE) is True
    assert fakes.closed == [True, False]


def test_a_connection_that_was_idle_for_long_is_not_trusted() -> None:
    fakes = Fakes()
    for _ in range(3):
        fakes.store.release_lease(NAME, LEASE)
        fakes.clock.now += IDLE_LIMIT - 1
    assert fakes.closed == [False]

    fakes.clock.now += 1
    fakes.store.release_lease(NAME, LEASE)
    assert fakes.closed == [True, False]


def test_a_store_that_goes_leaves_no_connection_open() -> None:
    fakes = Fakes()
    fakes.store.release_lease(NAME, LEASE)
    del fakes.store

    assert fakes.closed == [True]


def test_a_child_has_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes = Fakes()
    fakes.store.release_lease(NAME, LEASE)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    fakes.store.release_lease(NAME, LEASE)

    assert len(fakes.clients) == 2


@contextmanager
def served(answer: Callable[[socket.socket], object]) -> Generator[RedisAddress]:
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


def test_what_is_no_redis_is_no_help_and_no_harm(subtests: pytest.Subtests) -> None:
    def answer(connection: socket.socket, garbage: bytes) -> None:
        connection.recv(1024)
        connection.sendall(garbage)

    for garbage in GARBAGE:
        for operation in ("read", "publish_token"):
            with subtests.test(operation=operation, garbage=garbage), served(partial(answer, garbage=garbage)) as address:
                assert isinstance(OPERATIONS[operation](RedisStore(address)), StoreFailure)


def test_what_never_answers_is_not_waited_for() -> None:
    let_go = threading.Event()
    with served(lambda _: let_go.wait(60)) as address:
        assert OPERATIONS["read"](RedisStore(address)) == StoreFailure("TimeoutError")
        let_go.set()


def test_a_port_without_a_server_is_unreachable(subtests: pytest.Subtests) -> None:
    for mode in ("single", "cluster", "sentinel"):
        with subtests.test(mode=mode):
            address = RedisAddress(Secret(f"redis://127.0.0.1:{free_port()}"), mode, (("127.0.0.1", free_port()),), "master")

            assert isinstance(OPERATIONS["read"](RedisStore(address)), StoreFailure)


# Creation of clients.


def options(address: RedisAddress) -> dict[str, Any]:
    client: Any = connect(address)
    kept: dict[str, Any] = client.connection_pool.connection_kwargs
    return kept


QUERY = "?socket_timeout=60&socket_connect_timeout=60&retry_on_timeout=true&ssl_cert_reqs=none&decode_responses=true&db=9"


@pytest.mark.pitfall(id="store-down")
def test_no_url_can_lengthen_a_wait_or_switch_a_check_off(subtests: pytest.Subtests) -> None:
    urls: list[str] = ["redis://:pw@localhost:7000/3", "rediss://us%40er:p%23w@redis.example.com", "unix:///run/x.sock"]
    for mode in ("single", "sentinel"):
        for url in urls:
            with subtests.test(url=url, mode=mode):
                for query in ("", QUERY):
                    made = options(RedisAddress(Secret(url + query), mode, service="master"))

                    assert (
                        (made["socket_connect_timeout"], made["socket_timeout"])
                        == (CONNECT_TIMEOUT, READ_TIMEOUT)
                        == (0.25, 0.25)
                    )
                    assert made["retry"].get_retries() == 0
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


def test_a_private_authority_replaces_the_default_ones(tmp_path: Path) -> None:
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


def test_hosts_that_may_be_reached_without_tls_are_this_machine_and_the_listed_ones(subtests: pytest.Subtests) -> None:
    listed = ("Redis", "192.0.2.1", "10.42.0.0/16", "2001:db8::/32")
    rows: dict[str, bool] = {
        "127.0.0.1": True,
        "::1": True,
        "redis": True,
        "192.0.2.1": True,
        "10.42.7.7": True,
        "2001:db8::7": True,
        "192.0.2.2": False,
        "10.43.0.1": False,
        "redis.example.com": False,
        "0.0.0.0": False,
        "": False,
    }
    for host, expected in rows.items():
        with subtests.test(host=host):
            assert may_be_plain(host, listed) is expected
            assert may_be_plain(host, ()) is (host in {"127.0.0.1", "::1"})


class Recorder:
    """A server of one address that records what it receives, and answers each command with the next of ``replies``."""

    def __init__(self, *replies: str) -> None:
        self.received = b""
        self._replies = iter(replies)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                self.received += data
                connection.sendall(self.reply(data).encode())

    def reply(self, data: bytes) -> str:
        if b"EVAL" in data:
            return next(self._replies, "-ERR no more\r\n")
        if b"SLOTS" in data:
            return f"*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$9\r\n127.0.0.1\r\n:{self.port}\r\n$2\r\nid\r\n"
        if data.endswith(b"COMMAND\r\n"):
            return "*0\r\n"
        if b"SENTINEL" in data:
            return next(self._replies)
        return "+OK\r\n" * max(1, data.count(b"*"))


@pytest.mark.pitfall(id="store-hosts")
@pytest.mark.parametrize("redirection", ["MOVED", "ASK"])
def test_no_redirection_of_a_cluster_sends_the_password_to_another_host_without_tls(redirection: str) -> None:
    with (
        closing(Recorder()) as other,
        closing(Recorder(f"-{redirection} {key_slot(NAME.encode())} 0.0.0.0:{other.port}\r\n")) as cluster,
    ):
        url = Secret(f"redis://user:{CANARY}@127.0.0.1:{cluster.port}")
        reply = RedisStore(RedisAddress(url, "cluster", insecure_hosts=("redis.example.com",))).drop_and_read(NAME, {})

        assert isinstance(reply, StoreFailure)
        assert CANARY.encode() in cluster.received
        assert other.received == b""


def test_a_cluster_gets_the_password_over_tls_only_if_its_url_says_so() -> None:
    with closing(Recorder()) as cluster:
        reply = RedisStore(RedisAddress(Secret(f"rediss://user:{CANARY}@127.0.0.1:{cluster.port}"), "cluster")).drop_and_read(
            NAME, {}
        )

    assert isinstance(reply, StoreFailure)
    assert cluster.received
    assert CANARY.encode() not in cluster.received


@pytest.mark.pitfall(id="store-hosts")
def test_no_sentinel_sends_the_password_to_another_host_without_tls() -> None:
    with closing(Recorder()) as other:
        flags = "".join(
            f"${len(part)}\r\n{part}\r\n"
            for part in (
                "ip",
                "0.0.0.0",
                "port",
                str(other.port),
                "flags",
                "master",
                "num-other-sentinels",
                "0",
                "name",
                "shop",
            )
        )
        with closing(Recorder(f"*1\r\n*10\r\n{flags}")) as sentinel:
            url = Secret(f"redis://user:{CANARY}@127.0.0.1:{sentinel.port}")
            reply = RedisStore(RedisAddress(url, "sentinel", (), "shop", insecure_hosts=("redis.example.com",))).drop_and_read(
                NAME, {}
            )

    assert reply == StoreFailure("InsecureNodeError")
    assert other.received == b""


def test_an_address_does_not_show_itself() -> None:
    address = RedisAddress(Secret(f"redis://user:{CANARY}@localhost"))

    assert CANARY not in f"{address!r} {RedisStore(address)!r}"


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_packages("redis")
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'prio-middleware\[redis\]'") as caught:
        require_packages("redis", "shop")

    assert caught.value.client == "shop"
