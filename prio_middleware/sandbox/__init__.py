"""A Prio Distributor API to run against: in-process for tests, or over real HTTPS on this machine.

It has the tokens, scopes, limits and error bodies of the real one, sells a few tickets, fails on demand, and counts requests.
Serving it needs the extra ``sandbox``; the application alone needs nothing more.
"""

from __future__ import annotations

from .admin import Admin
from .api import SandboxApp
from .counts import Counts, SeenRequest, SeenTokenRequest
from .faults import API_FAULTS, METADATA_FAULTS, TOKEN_FAULTS
from .sandbox_options import Account, SandboxOptions
from .server import Sandbox
from .state import Clock

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
]
