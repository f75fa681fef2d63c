"""Redis clients for an address, with short timeouts and without retries."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from ..._util.plain_http import is_loopback
from ..._util.secret import Secret
from ...errors import ConfigurationError

if TYPE_CHECKING:
    from redis import Redis
    from redis.cluster import RedisCluster

    Client = Redis | RedisCluster

CONNECT_TIMEOUT = 0.25  # Seconds. Waiting longer would take more time than a token request.
READ_TIMEOUT = 0.25  # Seconds to wait for a reply.
PORT = 6379
SENTINEL_PORT = 26379


@dataclass(frozen=True, slots=True, repr=False)
class RedisAddress:
    """Address and credentials of a Redis server, cluster or sentinels. Its ``repr`` shows nothing of the URL.

    Attributes:
        url: ``redis://``, ``rediss://`` or ``unix://``, with optional user name, password and database. A query is ignored, so
            it cannot lengthen a timeout or switch off a check.
        mode, nodes, service, ca_file, insecure_hosts: see the settings of these names in the table ``token_store``.
    """

    url: Secret
    mode: Literal["single", "cluster", "sentinel"] = "single"
    nodes: tuple[tuple[str, int], ...] = ()
    service: str | None = None
    ca_file: Path | None = None
    insecure_hosts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<RedisAddress {self.mode} **>"


class InsecureNodeError(Exception):
    """A cluster or sentinel named a node that may not be reached without TLS, because ``insecure_hosts`` does not list it."""


def require_packages(kind: str, client: str | None = None) -> None:
    """Check that the packages of a store are installed. ``kind`` is ``redis`` or ``file``, as is the extra that installs them.

    Raises:
        ConfigurationError: one is missing. The remedy names the extra.
    """
    own = "filelock" if kind == "file" else "redis"
    missing = [package for package in (own, "cryptography") if find_spec(package) is None]
    if missing:
        raise ConfigurationError(
            f"Tokens cannot be shared without the package {missing[0]!r}.",
            client=client,
            remedy=f"Install it: pip install 'prio-middleware[{kind}]'",
        )


def connect(address: RedisAddress, **more: Any) -> Client:
    """Create a client. Only the client of a cluster connects immediately. ``more`` are further options of the client."""
    url = urlsplit(address.url.reveal())
    options = {**_options(address, url), **more}
    if address.mode == "cluster":
        return _cluster(address, url, options)
    if address.mode == "sentinel":
        return _master(address, url, options)
    return _single(url, options)


def close(client: Any) -> None:
    """Close all connections of a client, those of its sentinels included, and ignore errors."""
    pool = getattr(client, "connection_pool", None)  # The client of a cluster has none.
    manager = getattr(pool, "sentinel_manager", None)
    for each in (client, *getattr(manager, "sentinels", ())):
        with contextlib.suppress(Exception):
            each.close()
            each.connection_pool.disconnect()  # A client does not do that for a pool that it was given.


def may_be_plain(host: str, insecure_hosts: Collection[str]) -> bool:
    """Return True if ``host`` may be reached without TLS: it is this machine, or listed by name, by address or in a network."""
    if is_loopback(host) or host.lower() in (listed.lower() for listed in insecure_hosts):
        return True
    for listed in insecure_hosts:
        with contextlib.suppress(ValueError):  # One of the two is a name.
            if ipaddress.ip_address(host) in ipaddress.ip_network(listed):
                return True
    return False


def _checking(connection: type[Any], insecure_hosts: Collection[str]) -> type[Any]:
    """Return a subclass of ``connection`` that checks its host before it opens a socket.

    Clusters name hosts in their topology, ``-MOVED`` and ``-ASK``, sentinels in the address of the master.
    """

    class Checking(connection):  # type: ignore[misc]
        def _connect(self) -> Any:
            if not may_be_plain(self.host, insecure_hosts):
                raise InsecureNodeError
            return super()._connect()

    return Checking


def _single(url: SplitResult, options: dict[str, Any]) -> Redis:
    from redis import ConnectionPool, Redis, UnixDomainSocketConnection

    if url.scheme == "unix":  # redis-py's own client would ignore the connect timeout.
        over_socket: Any = UnixDomainSocketConnection
        return Redis(connection_pool=ConnectionPool(over_socket, path=unquote(url.path), **options))
    return Redis(host=url.hostname or "localhost", port=url.port or PORT, **options)


def _cluster(address: RedisAddress, url: SplitResult, options: dict[str, Any]) -> RedisCluster:
    from redis import Connection
    from redis.cluster import ClusterNode, RedisCluster

    options.pop("db")  # A cluster has only one.
    if url.scheme == "redis":  # The client takes a connection class only with a URL, here that of the first node.
        options["url"] = f"redis://{url.netloc.rpartition('@')[2]}"
        options["connection_class"] = _checking(Connection, address.insecure_hosts)
    node: Any = ClusterNode  # redis-py has no types for it.
    nodes = [node(url.hostname or "localhost", url.port or PORT), *(node(host, port) for host, port in address.nodes)]
    # If part of the cluster is down, the tokens of the other parts are still shared.
    return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **options)


def _master(address: RedisAddress, url: SplitResult, options: dict[str, Any]) -> Redis:
    from redis.sentinel import Sentinel, SentinelManagedConnection

    sentinel: Any = Sentinel
    nodes = [(url.hostname or "localhost", url.port or SENTINEL_PORT), *address.nodes]
    # The database and the credentials are those of the master. Sentinels have no database, and other credentials or none.
    for_sentinels = {name: value for name, value in options.items() if name not in {"db", "username", "password"}}
    sentinels = sentinel(nodes, sentinel_kwargs=for_sentinels, **options)
    more = {"connection_class": _checking(SentinelManagedConnection, address.insecure_hosts)} if url.scheme == "redis" else {}
    master: Redis = sentinels.master_for(address.service or "", **more)
    return master


def _options(address: RedisAddress, url: SplitResult) -> dict[str, Any]:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    options: dict[str, Any] = {
        "username": unquote(url.username) if url.username else None,
        "password": unquote(url.password) if url.password else None,
        "db": int(url.path.strip("/") or 0) if url.scheme != "unix" else 0,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": READ_TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if url.scheme == "rediss":
        options |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
        options |= {"ssl_ca_certs": str(address.ca_file)} if address.ca_file else {}
    return options
