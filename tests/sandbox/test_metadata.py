"""The authorization server's metadata, as RFC 8414 has them, and as they may be spoilt."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx
import pytest

from prio_middleware.sandbox import METADATA_FAULTS, Sandbox, SandboxApp, SandboxOptions

from .helpers import URL, Caller, code, new_caller

pytestmark = pytest.mark.anyio

Check = Callable[[httpx.Response], bool]

BASE = "/v3.8/distributor"
ISSUER = f"{URL}{BASE}"
PLACES = [f"{URL}/.well-known/oauth-authorization-server{BASE}", f"{ISSUER}/.well-known/openid-configuration"]
CUT = {"drop", "truncated", "stall"}
"""Faults that only a real connection shows."""


@pytest.mark.parametrize("options", [SandboxOptions(client_auth_methods=("client_secret_basic", "private_key_jwt"))])
async def test_both_places_have_the_metadata(caller: Caller, subtests: pytest.Subtests) -> None:
    for place in PLACES:
        with subtests.test(place):
            response = await caller.send("GET", place)
            metadata = response.json()

            assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
            assert (metadata["issuer"], metadata["token_endpoint"]) == (ISSUER, caller.token_url)
            assert metadata["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "private_key_jwt"]
            assert metadata["grant_types_supported"] == ["client_credentials"]


@pytest.mark.parametrize("options", [SandboxOptions(issuer="https://issuer.example")])
async def test_an_issuer_can_be_chosen(caller: Caller) -> None:
    assert (await caller.send("GET", PLACES[0])).json()["issuer"] == "https://issuer.example"


def test_a_served_sandbox_knows_its_issuer() -> None:
    with Sandbox(tls=False) as sandbox:
        assert sandbox.issuer == sandbox.base_url == httpx.get(f"{sandbox.base_url}{PLACES[1][len(ISSUER) :]}").json()["issuer"]
    assert Sandbox(SandboxOptions(issuer="https://issuer.example")).issuer == "https://issuer.example"


async def test_no_other_url_has_the_metadata(caller: Caller) -> None:
    for path in ("/.well-known/oauth-authorization-server", f"{BASE}/.well-known/oauth-authorization-server"):
        assert (await caller.send("GET", f"{URL}{path}")).status_code == 404


async def test_reading_the_metadata_needs_no_token(caller: Caller, app: SandboxApp) -> None:
    for place in PLACES:
        await caller.send("GET", place)

    assert (app.admin.counts().calls, app.admin.counts().calls_without_token) == (2, 0)


def member(name: str, expected: object) -> Check:
    return lambda response: response.json()[name] == expected


def without(name: str) -> Check:
    return lambda response: name not in response.json() and "scopes_supported" in response.json()


def location(response: httpx.Response) -> bool:
    return response.headers["location"] == "https://moved.example/token"


def html(response: httpx.Response) -> bool:
    return response.headers["content-type"].startswith("text/html")


def whole(response: httpx.Response) -> bool:
    return bool(response.json()["issuer"] == ISSUER)


FAULTS: Mapping[str, tuple[int, Check]] = {
    **{f"redirect_{status}": (status, location) for status in (301, 302, 303, 307, 308)},
    "too_many_requests": (429, lambda response: code(response) == "TRY_AGAIN_LATER"),
    "unavailable": (503, lambda response: code(response) == "TRY_AGAIN_LATER"),
    "server_error": (500, html),
    "bad_gateway": (502, html),
    "bare_403": (403, lambda response: response.content == b""),
    "slow": (200, whole),
    "drip": (200, whole),
    "not_found": (404, lambda response: code(response) == "NOT_FOUND"),
    "empty": (200, lambda response: response.content == b""),
    "html": (200, html),
    "json_array": (200, lambda response: response.json() == []),
    "invalid_utf8": (200, lambda response: b"\xff\xfe" in response.content),
    "no_issuer": (200, without("issuer")),
    "other_issuer": (200, member("issuer", "https://elsewhere.example")),
    "slashed_issuer": (200, member("issuer", f"{ISSUER}/")),
    "no_token_endpoint": (200, without("token_endpoint")),
    "plain_token_endpoint": (200, member("token_endpoint", f"http://sandbox.test{BASE}/oauth2/token")),
    "moved_token_endpoint": (200, member("token_endpoint", "https://moved.example/token")),
    "other_auth_methods": (200, member("token_endpoint_auth_methods_supported", ["tls_client_auth"])),
    "huge_body": (200, lambda response: len(response.content) > 2000 and whole(response)),
    "gzip_bomb": (200, lambda response: response.headers["content-encoding"] == "gzip" and len(response.content) > 2000),
}


def test_every_fault_has_its_expectation() -> None:
    assert FAULTS.keys() | CUT == METADATA_FAULTS.keys()


async def test_a_fault(subtests: pytest.Subtests) -> None:
    for name, (status, check) in FAULTS.items():
        with subtests.test(name):
            caller = new_caller()
            caller.app.admin.fail_metadata(name, location="https://moved.example/token", seconds=0, size=2000)
            spoilt = await caller.send("GET", PLACES[0])
            healed = await caller.send("GET", PLACES[0])

            assert spoilt.status_code == status
            assert check(spoilt)
            assert whole(healed)


async def test_a_fault_in_one_place(subtests: pytest.Subtests) -> None:
    paths = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
    for spoilt, path in enumerate(paths):
        with subtests.test(path):
            caller = new_caller()
            caller.app.admin.fail_metadata("not_found", times=None, path=path)

            assert (await caller.send("GET", PLACES[spoilt])).status_code == 404
            assert whole(await caller.send("GET", PLACES[1 - spoilt]))


@pytest.mark.parametrize("recover", ["clear_faults", "reset"])
async def test_a_fault_lasts_until_it_is_cleared(caller: Caller, app: SandboxApp, recover: str) -> None:
    app.admin.fail_metadata("unavailable", times=None)
    failing = [(await caller.send("GET", place)).status_code for place in PLACES]
    getattr(app.admin, recover)()

    assert failing == [503, 503]
    assert [(await caller.send("GET", place)).status_code for place in PLACES] == [200, 200]
    assert (await caller.ask()).status_code == 200
