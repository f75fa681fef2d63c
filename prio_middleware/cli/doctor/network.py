"""Looks at the network as any program would see it: names and connections, before anything is encrypted."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ...origins import DEFAULT_PORTS, Origin
from .steps import Finding, Status

if TYPE_CHECKING:
    from ...settings import ClientSettings

T = TypeVar("T")

SHOWN = 3
"""Addresses of a name that are shown to people."""


class Hop(NamedTuple):
    """The first machine on the way to a server.

    Attributes:
        host: the server's name, or that of the proxy before it.
        port: its port.
        is_proxy: whether it is a proxy.
    """

    host: str
    port: int
    is_proxy: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'proxy ' if self.is_proxy else ''}{host}:{self.port}"


def first_hop(settings: ClientSettings, server: Origin) -> Hop:
    """Where the connection to ``server`` leads first."""
    proxy = settings.proxy.reveal() if settings.proxy else _environment_proxy(server) if settings.trust_env else ""
    if not proxy:
        return Hop(server.host, server.port or DEFAULT_PORTS[server.scheme])
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return Hop(parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 1080), is_proxy=True)


def look_up(hop: Hop, seconds: float) -> Finding:
    """Whether the name of a machine is known."""
    addresses = _within(seconds, lambda: _addresses(hop))
    if addresses is None:
        return _unknown(hop, f"no answer within {seconds:.0f} s")
    if isinstance(addresses, str):
        return _unknown(hop, addresses)
    more = f" and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else ""
    shown = f"{', '.join(addresses[:SHOWN])}{more}"
    summary = f"{hop.host} is an address." if addresses == [hop.host] else f"{hop.host} is {shown}."
    return Finding(Status.OK, summary, facts={"host": hop.host, "addresses": addresses})


def connect(hop: Hop, seconds: float) -> Finding:
    """Whether a machine takes connections."""
    try:
        with socket.create_connection((hop.host, hop.port), seconds) as connection:
            address = str(connection.getpeername()[0])
    except OSError as error:
        return Finding(
            Status.FAIL,
            f"No connection to {hop}: {error.strerror or error}.",
            "Check address, port and firewall. Where only a proxy leads out, set `proxy` or HTTPS_PROXY.",
            {"host": hop.host, "port": hop.port},
        )
    return Finding(Status.OK, f"Connected to {hop}.", facts={"host": hop.host, "port": hop.port, "address": address})


def _environment_proxy(server: Origin) -> str:
    proxies = getproxies()
    return "" if proxy_bypass(server.host) else proxies.get(server.scheme) or proxies.get("all") or ""


def _addresses(hop: Hop) -> list[str] | str:
    try:
        found = socket.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return str(getattr(error, "strerror", None) or "it is no name of a machine")
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _unknown(hop: Hop, problem: str) -> Finding:
    return Finding(
        Status.FAIL,
        f"The name {hop.host} cannot be looked up: {problem}.",
        "Check the spelling of the URL in the settings, and this machine's DNS.",
        {"host": hop.host},
    )


def _within(seconds: float, call: Callable[[], T]) -> T | None:
    """What ``call`` returns, or None if it takes too long: looking up a name has no timeout of its own."""
    answer: queue.SimpleQueue[T] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(call()), daemon=True).start()
    try:
        return answer.get(timeout=seconds)
    except queue.Empty:
        return None
