"""Destination of the calls: an API in memory, or the sandbox over real HTTPS on the loopback interface."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass

from prio_middleware.sandbox import Account, Sandbox, SandboxOptions

from .api import OPEN, TOKEN_PATH, Api, Style

CLIENT_ID = "shop"
CLIENT_SECRET = "plain-enough-for-any-encoding"
ORIGIN = "https://api.example.com"


@dataclass(frozen=True, slots=True)
class Place:
    """Coordinates of the API for a client.

    Attributes:
        base_url: the API's root.
        token_url: the token endpoint.
        path: a path below the root that is answered.
        style: how refusals look.
        api: the API in memory, or None: then it is to be reached over HTTPS.
        ca_file: the authority to trust; None in memory.
    """

    base_url: str
    token_url: str
    path: str = OPEN
    style: Style = "rfc6749"
    api: Api | None = None
    ca_file: str | None = None


def in_memory(api: Api) -> Place:
    """A place that needs no socket."""
    return Place(ORIGIN, ORIGIN + TOKEN_PATH, style=api.style, api=api)


@contextlib.contextmanager
def over_https() -> Generator[Place]:
    """A sandbox in a process of its own."""
    options = SandboxOptions.rfc6749((Account(CLIENT_ID, CLIENT_SECRET),)).replace({"limits": False})
    with Sandbox(options, process=True) as sandbox:
        yield Place(sandbox.base_url, sandbox.token_url, path="/products/1004", ca_file=str(sandbox.ca_file))
