"""What there is to look at for one client, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ...errors import PrioError
from ...origins import Origin, parse_origin
from ...transports.shell import describe
from ..answer import beginning, listen
from . import network
from .greeting import Greeting, greet
from .judgement import judge_call, judge_clock, judge_error, judge_tls, judge_token
from .network import Hop, first_hop
from .steps import Finding, Result, Status, Step

if TYPE_CHECKING:
    from ...settings import ClientSettings
    from ..route import Route

LATER = ("dns", "tcp", "tls", "clock", "token", "call")
"""The steps after the settings."""

CALLS = {"prio": "/products"}
"""A call that needs a token, for each preset that knows one. Its answer's data is not read."""

OPEN = {"prio": "/system/ping"}
"""A call that needs no token, for each preset that knows one."""

LOOKUP_TIMEOUT = 10.0
"""Seconds to wait for a name to be looked up."""


class Server:
    """One of the servers that a client speaks to.

    Args:
        route: the client.
        settings: its settings.
        url: something to ask the server for, without a token.
    """

    def __init__(self, route: Route, settings: ClientSettings, url: str, needs: Step) -> None:
        origin = parse_origin(url)
        assert isinstance(origin, Origin)  # noqa: S101 - the settings have checked it
        self._route = route
        self._signs = settings.client_auth == "private_key_jwt"
        self._timeout = settings.connect_timeout
        self._url = url
        self._greeting: Greeting | None = None
        self._hop = first_hop(settings, origin)
        about = str(self._hop)
        self.dns = Step("dns", self._look_up, about, (needs,))
        self.tcp = Step("tcp", self._connect, about, (self.dns,))
        self.tls = Step("tls", self._greet, str(Hop(origin.host, origin.port or 443)), (self.tcp,))
        self.clock = Step("clock", self._compare_clocks, self.tls.about, (self.tls,))
