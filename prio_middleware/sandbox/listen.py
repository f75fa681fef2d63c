"""Where the sandbox listens: loopback, and nowhere else."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigurationError

Certificate = Literal["valid", "expired", "foreign", "wrong_host"]
"""A valid one, or what is wrong with it: it has expired, another authority signed it, or it is for another host."""


@dataclass(frozen=True, slots=True)
class Listen:
    """How the sandbox is reached.

    Attributes:
        host: a loopback address, or ``localhost``.
        port: a port; 0 for any that is free.
        tls: HTTPS. Without it the sandbox takes plain HTTP, which the API itself does not.
        certificate: what to show; something other than ``valid`` is for trying out what clients make of it.

    Raises:
        ConfigurationError: the host is not a loopback one: nobody else should reach a server with test credentials; the port
            is none.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls: bool = True
    certificate: Certificate = "valid"

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise ConfigurationError(
                f"The sandbox does not listen on {self.host!r}: it is for this machine alone.",
                remedy="Choose 127.0.0.1, ::1 or localhost.",
            )
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"{self.port} is no port.", remedy="Choose one up to 65535; 0 finds one that is free.")

    def bind(self) -> socket.socket:
        """A socket that is bound, and listens once the server starts.

        Raises:
            ConfigurationError: the port is taken.
        """
        address = "127.0.0.1" if self.host == "localhost" else self.host
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = _bound(address, self.port, family)
        if sock is None:
            raise ConfigurationError(
                f"The sandbox cannot listen on {self.host} port {self.port}.",
                remedy="Choose a port that is free; 0 finds one.",
            )
        return sock

    def url(self, port: int) -> str:
        """The URL of the sandbox at the port that was found for it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether ``host`` is a loopback address or ``localhost``. Other names are not looked up: they may change."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bound(address: str, port: int, family: socket.AddressFamily) -> socket.socket | None:
    try:
        sock = socket.create_server((address, port), family=family)
    except OSError:
        return None
    # Accepted connections inherit it. asyncio sets it only where a socket names its protocol, and this one does not: without,
    # each answer of two packets waits 40 ms for the client's delayed ACK.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
