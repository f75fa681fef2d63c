"""Where a scenario is played: the sandbox, and the settings of clients for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from ..build import forget
from ..sandbox import Admin, Sandbox
from ..settings import ClientSettings
from .calls import Calls

PRODUCT = "/products/1004"
"""A product that never sells out."""

PATIENCE = 60.0
"""Seconds that clients wait for a connection: a thousand TLS handshakes take their time on a small machine."""


class Audience(Protocol):
    """Whoever is told what happens while it happens, from any thread."""

    def tick(self) -> None:
        """A call ended."""

    def say(self, text: str) -> None:
        """Something happened that is no call."""


class Stage:
    """The sandbox, and what a scenario needs beside it.

    Args:
        sandbox: one that runs.
        audience: told what happens.
    """

    def __init__(self, sandbox: Sandbox, audience: Audience) -> None:
        self.sandbox = sandbox
        self.audience = audience

    @property
    def admin(self) -> Admin:
        """How to change the sandbox, and to read what it counted."""
        return self.sandbox.admin

    def make_ready(self, *, limits: bool) -> None:
        """The sandbox as it was at its start, and clients that know no token."""
        self.admin.reset()
        self.admin.configure(limits=limits)
        forget()

    def settings(self, **changes: Any) -> ClientSettings:
        """Settings of clients that call the sandbox. Clients with equal settings share one token provider."""
        values: dict[str, Any] = {
            "name": "demo",
            "base_url": self.sandbox.base_url,
            "client_id": self.sandbox.client_id,
            "client_secret": self.sandbox.client_secret,
            "ca_file": self.sandbox.ca_file,
            "trust_env": False,
            "connect_timeout": PATIENCE,
            "pool_timeout": PATIENCE,
        }
        return ClientSettings(**{**values, **changes})

    def calls(self, paths: Iterable[str]) -> Calls:
        """Calls that are shown as they are made."""
        return Calls(paths, self.audience.tick)
