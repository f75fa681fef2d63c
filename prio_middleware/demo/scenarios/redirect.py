"""A redirect that leads to another host and back."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from urllib.parse import urlencode

from ...httpx import client
from ...sandbox import Sandbox
from ...sandbox.counts import SeenRequest
from ..scenario import Observed, Scenario, exactly
from ..stage import Stage

LEFT = "first hop: with token"
ABROAD = "abroad: requests"
EXPOSED = "abroad: token or App-*"
BACK = "return: requests"
BACK_EXPOSED = "return: token or App-*"


def foreign_redirect() -> Scenario:
    """With httpx."""
    return Scenario(
        "Foreign redirect",
        "sync httpx",
        "A call is redirected to another host, and from there back. That host chose the way: the return is not trusted either.",
        (exactly(1, LEFT), exactly(1, ABROAD), exactly(0, EXPOSED), exactly(1, BACK), exactly(0, BACK_EXPOSED)),
        _play,
    )


def _play(stage: Stage) -> Observed:
    home = stage.sandbox
    with Sandbox(host="localhost") as abroad:
        back = _redirect(f"{abroad.url}/redirect", f"{home.url}/echo")
        settings = stage.settings(app={"name": "prio-demo", "version": "1.0"})
        with client(settings=settings, verify=_trusting(home, abroad), follow_redirects=True) as ours:
            ours.get(_redirect("/redirect", back))
        return Observed(_counted(stage.admin.requests(), abroad.admin.requests()))


def _redirect(via: str, to: str) -> str:
    return f"{via}?{urlencode({'to': to})}"


def _trusting(home: Sandbox, abroad: Sandbox) -> ssl.SSLContext:
    context = home.ssl_context()
    context.load_verify_locations(abroad.ca_file)
    return context


def _counted(at_home: Iterable[SeenRequest], abroad: list[SeenRequest]) -> dict[str, int]:
    calls = [seen for seen in at_home if not seen.token_request]
    back = [seen for seen in calls if seen.route == "/echo"]
    return {
        LEFT: sum(seen.route == "/redirect" and seen.authorization is not None for seen in calls),
        ABROAD: len(abroad),
        EXPOSED: sum(map(_exposed, abroad)),
        BACK: len(back),
        BACK_EXPOSED: sum(map(_exposed, back)),
    }


def _exposed(seen: SeenRequest) -> bool:
    return bool(seen.authorization or seen.app_headers)
