"""A client of redis-py for what the settings name. What bounds its waiting is set here, and nowhere else."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from ...errors import ConfigurationError
from ...plain_http import is_loopback
from ...secret import Secret

if TYPE_CHECKING:
    from redis import Redis
    from redis.cluster import RedisCluster

    Client = Redis | RedisCluster

CONNECT_TIMEOUT = 0.25
"""Seconds to wait for a connection. A token request would be over by then."""

READ_TIMEOUT = 0.25
"""Seconds to wait for an answer."""

PORT = 6379
SENTINEL_PORT = 26379

Mode = Literal["single", "cluster", "sentinel"]
Node = tuple[str, int]


@dataclass(frozen=True, slots=True, repr=False)
class RedisAddress:
    """Where a Redis is, and how to get in. It shows nothing of its URL.

    Attributes:
        url: ``redis://``, ``rediss://`` or ``unix://``, with user name, password and database, where there are some. A query is
            not looked at: nothing in it can lengthen a wait or switch a check off.
        mode: one server, a cluster, or a master that sentinels name.
        nodes: further nodes of the cluster, or further sentinels.
        service: what the sentinels call the master.
        ca_file: PEM with the authorities to trust instead of the usual ones.
        plain_elsewhere: ``redis://`` may be spoken to other machines: one at least was named for it.
    """

    url: Secret
    mode: Mode = "single"
    nodes: tuple[Node, ...] = ()
    service: str | None = None
    ca_file: Path | None = None
    plain_elsewhere: bool = False

    def __repr__(self) -> str:
        return f"<RedisAddress {self.mode} **>"


class PlainHostError(Exception):
    """A cluster or a sentinel named another machine, to which nobody said that ``redis://`` may be spoken."""


def require_redis(client: str | None = None) -> None:
    """See that redis-py and cryptography are there.

    Raises:
        ConfigurationError: they are not; it names the extra that brings them.
    """
    missing = [package for package in ("redis", "cryptography") if find_spec(package) is None]
    if missing:
        raise ConfigurationError(
            f"Tokens cannot be shared without the package {missing[0]!r}.",
            client=client,
            remedy="Install it: pip install 'prio-middleware[redis]'",
        )


def connect(address: RedisAddress, **more: Any) -> Client:
    """A new client. Only that of a cluster asks the server something at once.

    Args:
        address: where the Redis is.
        **more: further options of the client.
    """
    options = {**_options(address), **more}
    if address.mode == "cluster":
        return _cluster(address, options)
    if address.mode == "sentinel":
        return _master(address, options)
    return _single(address, options)


def close(client: Any) -> None:
    """Close all that a client has open, those of its sentinels included, without a word where that fails."""
    pool = getattr(client, "connection_pool", None)  # The client of a cluster has none, and is not asked for it.
    manager = getattr(pool, "sentinel_manager", None)
    for each in (client, *getattr(manager, "sentinels", ())):
        with contextlib.suppress(Exception):
            each.close()
            each.connection_pool.disconnect()  # Which a client does not do for a pool that it was given.


def checked(address: RedisAddress, node: Node) -> Node:
    """A node that a server named: settings could not be held against it.

    Raises:
        PlainHostError: it is on another machine, and would get the password without TLS.
    """
    is_plain = urlsplit(address.url.reveal()).scheme == "redis"
    if is_plain and not address.plain_elsewhere and not is_loopback(node[0]):
        raise PlainHostError
    return node


def _single(address: RedisAddress, options: dict[str, Any]) -> Redis:
    from redis import ConnectionPool, Redis, UnixDomainSocketConnection

    url = urlsplit(address.url.reveal())
    if url.scheme == "unix":  # redis-py's own client would forget how long a connection may take.
        over_socket: Any = UnixDomainSocketConnection
        return Redis(connection_pool=ConnectionPool(over_socket, path=unquote(url.path), **options))
    return Redis(host=url.hostname or "localhost", port=url.port or PORT, **options)


def _cluster(address: RedisAddress, options: dict[str, Any]) -> RedisCluster:
    from redis.cluster import ClusterNode, RedisCluster

    options.pop("db")  # A cluster has one only.
    node: Any = ClusterNode  # redis-py leaves it untyped, as it does the sentinel.
    nodes = [node(host, port) for host, port in _nodes(address, PORT)]
    # Tokens whose part of the cluster is down are not shared; the others still are.
    return RedisCluster(startup_nodes=nodes, require_full_coverage=False, address_remap=partial(checked, address), **options)


def _master(address: RedisAddress, options: dict[str, Any]) -> Redis:
    from redis.sentinel import Sentinel

    sentinel: Any = Sentinel
    own = {"db", "username", "password"}  # The master's; sentinels have other ones, or none.
    sentinels = sentinel(
        _nodes(address, SENTINEL_PORT), sentinel_kwargs={key: options[key] for key in options.keys() - own}, **options
    )
    named = sentinels.discover_master  # Asked for each new connection, and after a failover again.
    sentinels.discover_master = lambda service: checked(address, named(service))
    master: Redis = sentinels.master_for(address.service or "")
    return master


def _options(address: RedisAddress) -> dict[str, Any]:
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    url = urlsplit(address.url.reveal())
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


def _nodes(address: RedisAddress, port: int) -> list[Node]:
    url = urlsplit(address.url.reveal())
    return [(url.hostname or "localhost", url.port or port), *address.nodes]
