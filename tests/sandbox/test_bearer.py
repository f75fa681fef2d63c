from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from prio_middleware.httpx import async_client
from prio_middleware.sandbox import Clock, SandboxApp, SandboxOptions
from prio_middleware.sandbox.authentication import Grant, Tokens
from prio_middleware.sandbox.sandbox_options import BOOKING, PRODUCTS
from prio_middleware.settings import ClientSettings

from .helpers import Caller, bearer, code, new_caller

pytestmark = pytest.mark.anyio

CHALLENGES = SandboxOptions(
    challenges=True, missing_status=401, invalid_status=401, revoked_status=401, revoked_code="TOKEN_REVOKED"
)


WITHOUT_PROPER_TOKEN: list[tuple[dict[str, str], str]] = [
    ({}, "MISSING_TOKEN"),
    ({"Authorization": ""}, "INVALID_TOKEN"),
    ({"Authorization": "Bearer"}, "INVALID_TOKEN"),
    ({"Authorization": "Bearer "}, "INVALID_TOKEN"),
    (bearer("never-issued"), "INVALID_TOKEN"),
    ({"Authorization": "Basic abc"}, "INVALID_TOKEN"),
]


async def test_a_call_without_a_proper_token(subtests: pytest.Subtests) -> None:
    for headers, expected in WITHOUT_PROPER_TOKEN:
        with subtests.test(headers=headers):
            response = await new_caller().send("GET", "/products", headers=headers)

            assert response.status_code == 400
            assert code(response) == expected
            assert "www-authenticate" not in response.headers


async def test_the_scheme_is_read_without_regard_to_case(caller: Caller, subtests: pytest.Subtests) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        with subtests.test(scheme):
            headers = {"Authorization": f"{scheme} {await caller.token()}"}

            assert (await caller.send("GET", "/products", headers=headers)).status_code == 200


async def test_several_tokens_are_good_at_once(caller: Caller) -> None:
    first, second = await caller.token(), await caller.token()

    assert (await caller.call("GET", "/products", first)).status_code == 200
    assert (await caller.call("GET", "/products", second)).status_code == 200


async def test_a_token_expires(caller: Caller, clock: Clock) -> None:
    token = await caller.token()
    clock.advance(3599)
    before = await caller.call("GET", "/products", token)
    clock.advance(1)
    after = await caller.call("GET", "/products", token)

    assert before.status_code == 200
    assert (after.status_code, code(after)) == (401, "TOKEN_EXPIRED")


async def test_revoked_and_forbidden_calls_get_the_same_answer(caller: Caller, app: SandboxApp) -> None:
    token = await caller.token()
    forbidden = await caller.call("GET", "/reports/sales", token)
    app.admin.revoke()
    revoked = await caller.call("GET", "/products", token)

    assert (forbidden.status_code, code(forbidden)) == (403, "AUTHORIZATION_FAILURE")
    assert (revoked.status_code, code(revoked)) == (403, "AUTHORIZATION_FAILURE")


async def test_the_tokens_of_one_client_are_revoked_or_expired(caller: Caller, app: SandboxApp) -> None:
    ours, theirs = app.options.accounts[:2]
    one, another, kept = await caller.token(ours), await caller.token(ours), await caller.token(theirs)

    assert app.admin.revoke(ours.client_id) == 2
    assert app.admin.revoke(ours.client_id) == 0
    assert app.admin.expire(ours.client_id) == 2
    assert app.admin.expire() == 1
    assert app.admin.revoke() == 1
    statuses = [(await caller.call("GET", "/products", token)).status_code for token in (one, another, kept)]
    assert statuses == [403, 403, 403]


async def test_an_expired_token_that_was_not_revoked(caller: Caller, app: SandboxApp) -> None:
    token = await caller.token()
    app.admin.expire()

    assert (await caller.call("GET", "/products", token)).status_code == 401


async def test_a_token_without_the_scope_that_a_call_needs(caller: Caller) -> None:
    token = await caller.token(scope=PRODUCTS)
    response = await caller.call("POST", "/reservations", token, json={})

    assert (response.status_code, code(response)) == (403, "AUTHORIZATION_FAILURE")
    assert (await caller.call("GET", "/products", token)).status_code == 200


@pytest.mark.parametrize("options", [CHALLENGES])
async def test_challenges(caller: Caller, app: SandboxApp) -> None:
    missing = await caller.send("GET", "/products")
    invalid = await caller.send("GET", "/products", headers=bearer("unknown"))
    lacking = await caller.call("POST", "/orders", await caller.token(scope=PRODUCTS), json={})
    forbidden = await caller.call("GET", "/reports/sales")
    token = await caller.token()
    app.admin.revoke()
    revoked = await caller.call("GET", "/products", token)

    assert missing.headers["www-authenticate"] == 'Bearer realm="prio"'
    assert invalid.headers["www-authenticate"] == 'Bearer realm="prio", error="invalid_token"'
    assert 'error="insufficient_scope", scope="' in lacking.headers["www-authenticate"]
    assert BOOKING in lacking.headers["www-authenticate"]
    assert "www-authenticate" not in forbidden.headers
    assert (revoked.status_code, code(revoked)) == (401, "TOKEN_REVOKED")


async def test_the_status_for_a_missing_token_is_a_choice(subtests: pytest.Subtests) -> None:
    for status in (401, 403):
        with subtests.test(status=status):
            caller = new_caller(SandboxOptions(missing_status=status))
            assert (await caller.send("GET", "/products")).status_code == status


async def test_the_status_and_code_for_a_revoked_token_are_choices(caller: Caller, app: SandboxApp) -> None:
    token = await caller.token()
    app.admin.revoke()
    app.admin.configure(revoked_status=401)
    by_status = await caller.call("GET", "/products", token)
    app.admin.configure(revoked_status=400, revoked_code="INVALID_TOKEN")
    by_both = await caller.call("GET", "/products", token)

    assert (by_status.status_code, code(by_status)) == (401, "AUTHORIZATION_FAILURE")
    assert (by_both.status_code, code(by_both)) == (400, "INVALID_TOKEN")


async def test_the_error_body(caller: Caller) -> None:
    first, second = [(await caller.call("GET", "/reports/sales")).json() for _ in range(2)]

    assert list(first) == ["error", "error_reference", "error_message", "error_description", "error_uri", "errors"]
    assert first["error_reference"] != second["error_reference"]
    assert first["errors"] == [first["error_message"]]


def test_only_the_latest_tokens_are_remembered() -> None:
    tokens = Tokens(kept=1)
    first, second = (tokens.issue(Grant("shop", frozenset(), expires_at=60)) for _ in range(2))

    assert tokens.find(first) is None
    assert tokens.find(second) is not None
    assert tokens.texts() == [second]


KEY = "k3y-of-a-supplier"


async def test_an_api_key_stands_for_a_token(subtests: pytest.Subtests) -> None:
    caller = Caller(SandboxApp(SandboxOptions(api_keys=("another", KEY))))
    requests: list[dict[str, Any]] = [
        {"headers": {"X-Api-Key": KEY}},
        {"params": {"key": KEY}},
        {"headers": {"Authorization": f"Bearer {KEY}"}},
    ]
    for request in requests:
        with subtests.test(str(request)):
            assert (await caller.send("GET", "/products", **request)).status_code == 200
    for wrong in ("", KEY[:-1]):
        assert code(await caller.send("GET", "/products", headers={"X-Api-Key": wrong})) == "MISSING_TOKEN"


async def test_it_serves_clients_with_static_credentials(anyio_backend: str, tmp_path: Path, subtests: pytest.Subtests) -> None:
    app = SandboxApp(SandboxOptions(api_keys=(KEY,)))
    file = tmp_path / "token"
    file.write_text(KEY)
    file.chmod(0o600)
    for values in (
        {"provider": "none", "headers": {"X-Api-Key": KEY}},
        {"provider": "none", "api_key": KEY},
        {"provider": "static", "token_file": file},
    ):
        settings = ClientSettings(base_url=Caller(app).base_url, **values)
        with subtests.test(str(list(values))):
            async with async_client(settings=settings, transport=httpx.ASGITransport(app)) as client:
                assert (await client.get("/products")).status_code == 200
