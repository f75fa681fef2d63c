"""One server of a client: the steps from its name to its first answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ...origins import DEFAULT_PORTS, Origin, parse_origin
from .greeting import Greeting, greet
from .judgement import judge_clock, judge_tls
from .network import Hop, connect, first_hop, look_up
from .steps import Finding, Step

if TYPE_CHECKING:
    from ...settings import ClientSettings
    from ..route import Route

LOOKUP_TIMEOUT = 10.0
"""Seconds to wait for a name to be looked up."""

_UNSEEN = Greeting(tls=None, http="", expires=None, date=None, local=0.0)


class Server:
    """What there is to look at of one server.

    Args:
        route: the client.
        settings: the client's.
        url: what to ask the server for, without a token.
        settled: the step that comes before.

    Attributes:
        dns: is its name, or its proxy's, known?
        tcp: does it, or its proxy, take connections?
        tls: is its certificate good?
        clock: does its clock agree with this machine's?
    """

    def __init__(self, route: Route, settings: ClientSettings, url: str, settled: Step) -> None:
        origin = origin_of(url)
        hop = first_hop(settings, origin)
        self._route = route
        self._url = url
        self._signs = settings.client_auth == "private_key_jwt"
        self._greeting = _UNSEEN
        itself = str(Hop(origin.host, origin.port or DEFAULT_PORTS[origin.scheme]))
        self.dns = Step("dns", lambda: look_up(hop, LOOKUP_TIMEOUT), str(hop), (settled,))
        self.tcp = Step("tcp", lambda: connect(hop, settings.connect_timeout), str(hop), (self.dns,))
        self.tls = Step("tls", self._greet, itself, (self.tcp,))
        self.clock = Step("clock", self._compare_clocks, itself, (self.tls,))

    def _greet(self) -> Finding:
        greeting = greet(self._route.bare, self._route.library, self._url)
        if isinstance(greeting, Finding):
            return greeting
        self._greeting = greeting
        return judge_tls(greeting)

    def _compare_clocks(self) -> Finding:
        return judge_clock(self._greeting, signs=self._signs)


def origin_of(url: str) -> Origin:
    """The origin of a URL that the settings have checked."""
    return cast("Origin", parse_origin(url))
