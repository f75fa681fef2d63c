"""The configured clients of an application, opened once and kept: what every drop-in hands out."""

from __future__ import annotations

from .per_loop import AsyncClients, LoopClients
from .per_process import Clients
from .warm_up import check, fetch_tokens

__all__ = ["DEFAULT", "AsyncClients", "Clients", "LoopClients", "check", "fetch_tokens"]

DEFAULT = "default"
"""The name of the client that is meant where none is named."""
