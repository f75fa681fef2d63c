"""Clients of a process or event loop, and the response to a token failure: for workers, and for other frameworks.

>>> from prio_middleware.web import Clients, unavailable
>>> clients = Clients()                                          # opens nothing yet
>>> clients["default"].get("/products")                          # in this process, and in each that it forks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .clients import Clients
from .responses import Answer, unavailable

if TYPE_CHECKING:
    from .event_loops import AsyncClients, LoopClients

__all__ = ["Answer", "AsyncClients", "Clients", "LoopClients", "unavailable"]


def __getattr__(name: str) -> Any:
    """Import the async clients on first use (PEP 562): sync applications need no anyio."""
    if name not in {"AsyncClients", "LoopClients"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import event_loops

    return getattr(event_loops, name)
