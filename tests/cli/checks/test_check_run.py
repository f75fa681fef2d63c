from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import ClientSettings
from prio_middleware.cli.check import CheckRun
from prio_middleware.cli.check_probes import CheckFinding, CheckStatus, Step
from prio_middleware.cli.command_client import CommandClient

SETTINGS = Step("settings", lambda: CheckFinding(CheckStatus.OK, "They are valid."))
API = "https://api.example/v1"


def steps(**values: Any) -> list[str]:
    """The steps, and where they look."""
    settings = ClientSettings(
        preset="rfc6749", base_url=API, client_id="shop", client_secret="s3cret", trust_env=False, **values
    )
    with CommandClient(settings) as client:
        return [f"{step.name} {step.about}" for step in CheckRun(client, settings).steps(SETTINGS)]


def on(host: str) -> list[str]:
    return [f"{name} {host}" for name in ("dns", "tcp", "tls")]


def test_one_server() -> None:
    assert steps(token_url="https://api.example:443/token") == [
        *on("api.example:443"),
        "clock api.example:443",
        "token api.example:443",
        "call api.example:443",
    ]


@pytest.mark.parametrize(
    "values",
    [{"token_url": "https://login.example:8443/token"}, {"issuer": "https://login.example:8443/tenant", "discovery": True}],
    ids=["token_url", "discovery"],
)
def test_two_servers(values: dict[str, Any]) -> None:
    assert steps(**values) == [
        *on("api.example:443"),
        *on("login.example:8443"),
        "clock login.example:8443",
        "token login.example:8443",
        "call api.example:443",
    ]


def test_through_a_proxy_the_network_is_checked_as_far_as_the_proxy() -> None:
    assert steps(token_url=f"{API}/token", proxy="http://me:pw@proxy.example:3128")[:3] == [
        "dns proxy proxy.example:3128",
        "tcp proxy proxy.example:3128",
        "tls api.example:443",
    ]
