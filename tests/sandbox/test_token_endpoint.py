from __future__ import annotations

import json
from typing import Any

import pytest

from prio_middleware.sandbox import Account, SandboxApp, SandboxOptions
from prio_middleware.sandbox.sandbox_options import BOOKING, PRODUCTS, REPORTING

from .helpers import CLIENT_CREDENTIALS, Caller, basic, code, new_caller

pytestmark = pytest.mark.anyio

FORM = SandboxOptions(body_formats=("form",))
EITHER = SandboxOptions(body_formats=("json", "form"))


async def test_a_token_comes_with_its_type_lifetime_and_scopes(caller: Caller) -> None:
    response = await caller.ask(scope=f"{PRODUCTS} {BOOKING}")
    answer = response.json()

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600
    assert answer["scope"] == f"{BOOKING} {PRODUCTS}"
    assert answer["access_token"].count(".") == 2


async def test_without_a_scope_the_account_gets_all_of_its_own(caller: Caller, app: SandboxApp) -> None:
    reseller = app.options.accounts[2]

    assert (await caller.ask(reseller)).json()["scope"] == PRODUCTS


async def test_every_token_is_another_one(caller: Caller) -> None:
    assert await caller.token() != await caller.token()


ASKED_FOR: list[tuple[dict[str, str], str | None]] = [
    ({"scope": REPORTING}, None),
    ({"scope": f"{PRODUCTS} unknown"}, "invalid_scope"),
    ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"audience": "anything", "resource": "https://api.example"}, None),
]


async def test_parameters_of_a_token_request(caller: Caller, subtests: pytest.Subtests) -> None:
    for parameters, error in ASKED_FOR:
        with subtests.test(parameters=parameters):
            response = await caller.ask(None, **parameters)

            assert response.status_code == (400 if error else 200)
            assert response.json().get("error") == error


async def test_a_scope_of_another_account_is_refused(caller: Caller, app: SandboxApp) -> None:
    assert code(await caller.ask(app.options.accounts[2], scope=BOOKING)) == "invalid_scope"


BODY_FORMATS: list[tuple[SandboxOptions, dict[str, Any], int]] = [
    (SandboxOptions(), {"json": CLIENT_CREDENTIALS}, 200),
    (SandboxOptions(), {"data": CLIENT_CREDENTIALS}, 400),
    (FORM, {"data": CLIENT_CREDENTIALS}, 200),
    (FORM, {"json": CLIENT_CREDENTIALS}, 400),
    (EITHER, {"json": CLIENT_CREDENTIALS}, 200),
    (EITHER, {"data": CLIENT_CREDENTIALS}, 200),
    (EITHER, {"content": b"grant_type=client_credentials"}, 400),
]


async def test_body_formats(subtests: pytest.Subtests) -> None:
    for options, body, status in BODY_FORMATS:
        with subtests.test(formats=options.body_formats, body=body):
            caller = new_caller(options)
            headers = basic(caller.account.client_id, caller.account.client_secret)

            assert (await caller.send("POST", caller.token_url, headers=headers, **body)).status_code == status


NO_TOKEN_REQUESTS = [
    ("application/json", b""),
    ("application/json", b"{"),
    ("application/json", b"[]"),
    ("application/json", b"7"),
    ("application/json", b"[[1, 2]]"),
    ("application/json", b'"grant_type"'),
    ("application/json", b'{"grant_type": 1}'),
    ("application/json", b'{"client_secret": "\\ud800"}'),
    ("application/json", b'{"grant_type": {"client": "credentials"}}'),
    ("application/json", b"[" * 100_000),
    ("application/json", b'{"grant_type": "client_credentials", "grant_type": "client_credentials"}'),
    ("application/json; charset=utf-8", b'{"scope": "x"}'),
    ("application/x-www-form-urlencoded", b""),
    ("application/x-www-form-urlencoded", b"grant_type"),
    ("application/x-www-form-urlencoded", b"grant_type=\xff"),
    ("application/x-www-form-urlencoded", b"grant_type=client_credentials&grant_type=client_credentials"),
]


@pytest.mark.parametrize("options", [EITHER])
async def test_a_body_that_is_no_token_request(caller: Caller, subtests: pytest.Subtests) -> None:
    for content_type, body in NO_TOKEN_REQUESTS:
        with subtests.test(content_type=content_type, body=body[:80]):
            headers = {**basic(caller.account.client_id, caller.account.client_secret), "Content-Type": content_type}
            response = await caller.send("POST", caller.token_url, headers=headers, content=body)

            assert response.status_code == 400
            assert code(response) == "invalid_request"
            assert response.json()["error_uri"].endswith("/invalid_request")


async def test_a_token_request_is_a_post(caller: Caller, subtests: pytest.Subtests) -> None:
    for method in ("GET", "PUT", "DELETE"):
        with subtests.test(method):
            response = await caller.send(method, caller.token_url)

            assert response.status_code == 405
            assert code(response) == "invalid_request"


LIFETIMES: list[tuple[SandboxOptions, str | None]] = [
    (SandboxOptions(lifetime=90), "90"),
    (SandboxOptions(lifetime=0.5), "0.5"),
    (SandboxOptions(expires_in="null"), "null"),
    (SandboxOptions(expires_in='"3600"'), '"3600"'),
    (SandboxOptions(expires_in="-1"), "-1"),
    (SandboxOptions(expires_in="1e400"), "1e400"),
    (SandboxOptions(expires_in="[]"), "[]"),
    (SandboxOptions(expires_in=""), None),
]


async def test_the_announced_lifetime(subtests: pytest.Subtests) -> None:
    for options, text in LIFETIMES:
        with subtests.test(text=text):
            answer = (await new_caller(options).ask()).text

            if text is None:
                assert "expires_in" not in json.loads(answer)
            else:
                assert answer.endswith(f'"expires_in": {text}}}')


async def test_a_request_is_kept_without_its_secret(caller: Caller, app: SandboxApp) -> None:
    await caller.ask(scope=PRODUCTS)
    await caller.send("POST", caller.token_url, content=b"")
    first, second = app.admin.token_requests()

    assert first.client_id == caller.account.client_id
    assert first.method == "client_secret_basic"
    assert first.content_type == "application/json"
    assert first.parameters == {"grant_type": "client_credentials", "scope": PRODUCTS}
    assert first.error is None
    assert (second.client_id, second.method, second.error) == ("", "", "invalid_request")


@pytest.mark.parametrize("options", [SandboxOptions(token_delay=0.02)])
async def test_a_delayed_answer_arrives(caller: Caller) -> None:
    assert (await caller.ask()).status_code == 200


async def test_an_account_added_later(caller: Caller, app: SandboxApp) -> None:
    late = Account("late@museum.example")
    before = await caller.ask(late)
    app.admin.put_account(late)

    assert code(before) == "invalid_client"
    assert (await caller.ask(late)).status_code == 200


async def test_a_client_that_hangs_up_in_a_request_does_no_harm(caller: Caller, app: SandboxApp) -> None:
    messages = iter([{"type": "http.request", "body": b'{"grant', "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    path = f"{app.base_path}/oauth2/token"
    known: dict[str, Any] = {"client": ("127.0.0.1", 1), "server": ("sandbox.test", 443), "headers": []}
    await app({"type": "http", "method": "POST", "scheme": "https", "path": path, "query_string": b"", **known}, receive, send)

    assert sent == []
    assert (await caller.ask()).status_code == 200
