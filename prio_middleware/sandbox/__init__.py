"""A Prio Distributor API to run against: in-process for tests, or over real HTTPS on this machine.

It knows tokens, scopes, limits and error bodies as the real one does, sells a few tickets, can be told to misbehave, and counts
what it sees. Serving it needs the extra ``sandbox``; the application alone needs nothing more.
"""

from __future__ import annotations

from .accounts import Account
from .admin import Admin
from .app import SandboxApp, create_app
from .clock import Clock
from .counts import Counts, SeenRequest, SeenTokenRequest
from .faults import API_FAULTS, METADATA_FAULTS, TOKEN_FAULTS
from .options import SandboxOptions
from .server import Sandbox

__all__ = [
    "API_FAULTS",
    "METADATA_FAULTS",
    "TOKEN_FAULTS",
    "Account",
    "Admin",
    "Clock",
    "Counts",
    "Sandbox",
    "SandboxApp",
    "SandboxOptions",
    "SeenRequest",
    "SeenTokenRequest",
    "create_app",
]
