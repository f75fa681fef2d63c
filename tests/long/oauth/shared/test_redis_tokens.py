"""Token providers that meet in a real server: alone, in a cluster, behind sentinels, over TLS; and what may stand in it."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme

from prio_middleware import AccessToken, ClientCredentialsProvider, Secret, TokenOptions
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.shared.circuit_breaker import CircuitBreaker
from prio_middleware.oauth.shared.connection import RedisAddress
from prio_middleware.oauth.shared.coordinator import SharedTokens
from prio_middleware.oauth.shared.redis_store import RedisStore
from prio_middleware.oauth.shared.store import StoreFailure
from tests.oauth.helpers import Server as TokenServer
from tests.oauth.helpers import endpoint, token
from tests.oauth.shared.fleet import KEY, OTHER_KEY, keyring
from tests.redis_servers import BINARIES, Server, Watched, free_port, serve, until

BOOKING = TokenOptions(scope="booking")


RIGHTS = (
    "prio on >pw resetkeys ~prio-middleware:* resetchannels &prio-middleware:* -@all +eval +get +set +del +pttl +pexpire +zadd "
    "+zscore +zremrangebyscore +time +publish +subscribe +ping"
)

RIGHTS_IN_A_CLUSTER = "+cluster|slots +cluster|shards +cluster|myid +command +readonly"


class Shop:
    """Providers of one token endpoint, each as in a process of its own."""

    def __init__(self, address: RedisAddress) -> None:
        self.address = address
        self.server = TokenServer(*[token(1000) for _ in range(20)])

    def provider(self, *keys: str) -> ClientCredentialsProvider:
        shared = SharedTokens(RedisStore(self.address), keyring(*keys or (KEY,)), circuit=CircuitBreaker())
        return ClientCredentialsProvider(endpoint(), shared=shared)

    def token(
        self, provider: ClientCredentialsProvider, options: TokenOptions = DEFAULT_OPTIONS, rejected: AccessToken | None = None
    ) -> AccessToken:
        return provider.current(options, rejected) or provider.get_token(options, rejected, self.server)

    def fresh(self, *keys: str) -> AccessToken:
        """Return the token of a new process."""
        return self.token(self.provider(*keys))

    @property
    def asked(self) -> int:
        return len(self.server.requests)


def share_and_replace(address: RedisAddress) -> None:
    """Share one token between two processes, and one more after a rejection."""
    shop = Shop(address)
    first, second = shop.provider(), shop.provider()
    old, theirs = shop.token(first), shop.token(second)
    assert old.value == theirs.value
    first.invalidate(old)
    new = shop.token(first, rejected=old)
    second.invalidate(theirs)

    assert shop.token(second, rejected=theirs).value == new.value != old.value
    assert shop.asked == 2
    assert first.store_report().failures == second.store_report().failures == 0


def test_one_server(server: Server) -> None:
    share_and_replace(server.address)


@pytest.mark.anyio
async def test_from_an_event_loop(server: Server) -> None:
    shop = Shop(server.address)

    async def send(request: Any) -> Any:
        return shop.server(request)

    first = await shop.provider().aget_token(DEFAULT_OPTIONS, None, send)
    second = await shop.provider().aget_token(DEFAULT_OPTIONS, None, send)

    assert first.value == second.value
    assert shop.asked == 1


@pytest.mark.pitfall(id="store-values")
def test_nothing_readable_is_kept(server: Server) -> None:
    shop = Shop(server.address)
    kept = shop.fresh().value.reveal()
    admin = server.admin()
    names: list[bytes] = admin.keys()
    everything = b"".join([*names, *map(admin.dump, names)])

    assert len(names) == 1
    for readable in (kept, "shop@example.com", "auth.example", "s3cret!"):
        assert readable.encode() not in everything


@pytest.mark.pitfall(id="store-values")
@pytest.mark.parametrize("poison", [b"", b"x", b"\xff" * 5000, b"f" * 32 + b"gAAAAA=="])
def test_a_poisoned_value_is_replaced(poison: bytes, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(server.address)
    shop.fresh()
    (key,) = server.admin().keys()
    server.admin().set(key, poison, px=100_000)

    assert shop.fresh().source == "endpoint"
    assert shop.fresh().source == "shared"
    assert len(caplog.records) == 1


@pytest.mark.pitfall(id="store-values")
def test_a_swapped_value_is_not_taken(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(server.address)
    other = shop.token(shop.provider(), BOOKING)
    (theirs,) = server.admin().keys()
    shop.fresh()
    (ours,) = set(server.admin().keys()) - {theirs}
    server.admin().copy(theirs, ours, replace=True)

    assert shop.fresh().value != other.value
    assert "another token" in caplog.text


def test_two_keys_read_what_either_sealed_and_a_wrong_one_nothing(server: Server) -> None:
    shop = Shop(server.address)
    kept = shop.fresh(KEY)

    assert shop.fresh(KEY, OTHER_KEY).value == kept.value
    assert shop.fresh(OTHER_KEY, KEY).value == kept.value
    assert shop.fresh(OTHER_KEY).value != kept.value
    assert shop.asked == 2


def test_a_user_without_rights_costs_sharing_only(server: Server) -> None:
    server.admin().execute_command("ACL", "SETUSER", "guest", "on", ">pw", "~other:*", "+@all")
    shop = Shop(RedisAddress(Secret(f"redis://guest:pw@127.0.0.1:{server.port}")))
    wrong = Shop(RedisAddress(Secret(f"redis://guest:wrong@127.0.0.1:{server.port}")))

    assert shop.fresh().source == shop.fresh().source == wrong.fresh().source == "endpoint"


def test_the_rights_that_the_documentation_names_are_enough(server: Server) -> None:
    server.admin().execute_command("ACL", "SETUSER", *RIGHTS.split())

    share_and_replace(RedisAddress(Secret(f"redis://prio:pw@127.0.0.1:{server.port}/0")))


def test_a_socket_of_this_machine(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("s") / "r"
    with serve(BINARIES[0], tmp_path, "--unixsocket", str(path)):
        share_and_replace(RedisAddress(Secret(f"unix://{path}")))


# TLS


@pytest.fixture(params=BINARIES)
def over_tls(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[tuple[Server, int, Path]]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    files = [tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")]
    authority.cert_pem.write_to_path(str(files[0]))
    issued.cert_chain_pems[0].write_to_path(str(files[1]))
    issued.private_key_pem.write_to_path(str(files[2]))
    port = free_port()
    options = ["--tls-port", port, "--tls-cert-file", files[1], "--tls-key-file", files[2], "--tls-auth-clients", "no"]
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(serve(str(request.param), tmp_path, *map(str, options)))
        except AssertionError:
            pytest.skip("this build has no TLS")
        before = set(threading.enumerate())
        yield server, port, files[0]
        # Python leaves a socket open that is reset just before its TLS handshake, as those of a killed server are.
        until(lambda: _no_subscriber_left(set(threading.enumerate()) - before), "nobody listens any more")


def _no_subscriber_left(threads: set[threading.Thread]) -> bool:
    gc.collect()  # A thread listens as long as its provider exists, and nothing else triggers a collection meanwhile.
    return not any("subscriber" in thread.name for thread in threads)


def test_over_tls_with_a_private_authority(over_tls: tuple[Server, int, Path]) -> None:
    _, port, ca_file = over_tls

    share_and_replace(RedisAddress(Secret(f"rediss://localhost:{port}"), ca_file=ca_file))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_that_does_not_fit_costs_sharing(host: str, over_tls: tuple[Server, int, Path]) -> None:
    _, port, ca_file = over_tls
    address = RedisAddress(Secret(f"rediss://{host}:{port}"), ca_file=None if host == "localhost" else ca_file)
    shop = Shop(address)
    provider = shop.provider()

    assert shop.token(provider).source == "endpoint"
    assert provider.store_report().reachable is False


# A cluster


def test_a_cluster(cluster: list[Server]) -> None:
    others = tuple(("127.0.0.1", node.port) for node in cluster[1:])
    for node in cluster:
        node.admin().execute_command("ACL", "SETUSER", *RIGHTS.split(), *RIGHTS_IN_A_CLUSTER.split())
    address = RedisAddress(Secret(f"redis://prio:pw@127.0.0.1:{cluster[0].port}"), "cluster", others)
    share_and_replace(address)
    shop = Shop(address)
    scopes = [TokenOptions(scope=f"scope-{number}") for number in range(12)]
    provider = shop.provider()
    for scope in scopes:
        shop.token(provider, scope)

    assert all(node.admin().keys("*:token") for node in cluster)  # tokens are spread, each with all that is its own
    cluster[2].stop()
    sources = [shop.token(shop.provider(), scope).source for scope in scopes]
    assert {"endpoint", "shared"} == set(sources)


def test_a_cluster_that_names_another_machine_gets_no_password_without_tls(cluster: list[Server]) -> None:
    for node in cluster:
        node.admin().config_set("cluster-announce-ip", "192.0.2.1")
    store = RedisStore(RedisAddress(Secret(cluster[0].url), "cluster"))

    assert store.drop_and_read("a" * 40, {}) == StoreFailure("InsecureNodeError")


# Sentinels


def test_a_failover_is_followed_and_what_was_shared_still_is(watched: Watched) -> None:
    master, replica, port = watched
    address = RedisAddress(Secret(f"redis://127.0.0.1:{port}"), "sentinel", (), "shop")
    share_and_replace(address)
    shop = Shop(address)
    provider = shop.provider()
    kept = shop.token(provider, BOOKING)
    until(lambda: replica.admin().dbsize() == master.admin().dbsize(), "replicated")
    master.stop()
    during = shop.token(shop.provider())  # there is no master now; there is a token all the same
    assert during.value
    until(lambda: replica.admin().info("replication")["role"] == "master", "failover")
    until(lambda: shop.token(shop.provider(), BOOKING).source == "shared", "the new master is found")

    assert shop.token(shop.provider(), BOOKING).value == kept.value
    share_again = shop.provider()
    old = shop.token(share_again, BOOKING)
    share_again.invalidate(old)
    new = shop.token(share_again, BOOKING, old)
    assert shop.token(shop.provider(), BOOKING).value == new.value != old.value


def test_a_master_on_another_machine_gets_no_password_without_tls(watched: Watched) -> None:
    sentinel: Any = redis.Redis(port=watched.port, protocol=2)
    sentinel.execute_command("SENTINEL", "MONITOR", "elsewhere", "192.0.2.1", "6379", "1")
    store = RedisStore(RedisAddress(Secret(f"redis://127.0.0.1:{watched.port}"), "sentinel", (), "elsewhere"))

    assert store.drop_and_read("a" * 40, {}) == StoreFailure("InsecureNodeError")
