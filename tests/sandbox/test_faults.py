from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import anyio
import httpx
import pytest

from prio_middleware.sandbox import API_FAULTS, TOKEN_FAULTS, SandboxApp, SandboxOptions
from prio_middleware.sandbox.wire import gzip_bomb

from .helpers import CLIENT_CREDENTIALS, Caller, basic, code, new_caller

pytestmark = pytest.mark.anyio

Check = Callable[[httpx.Response], bool]

CUT = {"drop", "truncated", "stall"}
"""Only a real connection shows these: see test_server.py."""


def body(expected: bytes) -> Check:
    return lambda response: response.content == expected


def error(expected: str) -> Check:
    return lambda response: code(response) == expected


def member(name: str, expected: object) -> Check:
    return lambda response: response.json()[name] == expected


def without(name: str) -> Check:
    return lambda response: name not in response.json() and "scope" in response.json()


def location(response: httpx.Response) -> bool:
    return response.headers["location"] == "https://elsewhere.example/"


def html(response: httpx.Response) -> bool:
    return response.headers["content-type"].startswith("text/html")


def bare(response: httpx.Response) -> bool:
    return response.content == b"" and "content-type" not in response.headers


def good(response: httpx.Response) -> bool:
    return "access_token" in response.json()


DATE = "Wed, 21 Oct 2037 07:28:00 GMT"

BOTH: Mapping[str, tuple[int, Check]] = {
    "redirect_301": (301, location),
    "redirect_302": (302, location),
    "redirect_303": (303, location),
    "redirect_307": (307, location),
    "redirect_308": (308, location),
    "too_many_requests": (429, error("TRY_AGAIN_LATER")),
    "unavailable": (503, error("TRY_AGAIN_LATER")),
    "server_error": (500, html),
    "bad_gateway": (502, html),
    "bare_403": (403, bare),
}

TOKEN: Mapping[str, tuple[int, Check]] = {
    **BOTH,
    "slow": (200, good),
    "drip": (200, good),
    "empty": (200, body(b"")),
    "html": (200, html),
    "error_under_200": (200, error("invalid_grant")),
    "json_array": (200, body(b"[]")),
    "json_number": (200, body(b"7")),
    "json_string": (200, body(b'"token"')),
    "json_null": (200, body(b"null")),
    "json_deep": (200, body(b"[" * 100_000)),
    "json_huge_number": (200, lambda response: b"9" * 5000 in response.content),
    "invalid_utf8": (200, lambda response: b"\xff\xfe" in response.content),
    "no_access_token": (200, without("access_token")),
    "access_token_null": (200, member("access_token", None)),
    "access_token_number": (200, member("access_token", 7)),
    "access_token_object": (200, member("access_token", {"token": "t"})),
    "access_token_empty": (200, member("access_token", "")),
    "access_token_space": (200, member("access_token", "to ken")),
    "access_token_control": (200, member("access_token", "to\x00ken\x1b[2J")),
    "access_token_crlf": (200, member("access_token", "token\r\nX-Injected: yes")),
    "access_token_non_ascii": (200, member("access_token", "tok\u20acn")),
    "access_token_long": (200, member("access_token", "t" * 200_000)),
    "no_token_type": (200, without("token_type")),
    "token_type_odd_case": (200, member("token_type", "bEARER")),
    "token_type_mac": (200, member("token_type", "mac")),
    "token_type_crlf": (200, member("token_type", "Bearer\r\nX-Injected: yes")),
    "token_type_number": (200, member("token_type", 1)),
    "invalid_request": (400, error("invalid_request")),
    "invalid_client": (401, error("invalid_client")),
    "invalid_client_400": (400, error("invalid_client")),
    "invalid_grant": (400, error("invalid_grant")),
    "unauthorized_client": (400, error("unauthorized_client")),
    "unsupported_grant_type": (400, error("unsupported_grant_type")),
    "invalid_scope": (400, error("invalid_scope")),
    "method_not_allowed": (405, error("invalid_request")),
    "bare_401": (401, bare),
    "secret_echo": (401, error("invalid_client")),
    "huge_body": (200, lambda response: len(response.content) > 20_000 and good(response)),
    "unasked_gzip": (200, lambda response: response.headers["content-encoding"] == "gzip" and good(response)),
}

API: Mapping[str, tuple[int, Check]] = {
    **BOTH,
    "slow": (200, lambda response: "data" in response.json()),
    "drip": (200, lambda response: response.json() == {"slow": True}),
    "refused_400": (400, error("INVALID_REQUEST")),
    "refused_401": (401, error("AUTHORIZATION_FAILURE")),
    "refused_403": (403, error("AUTHORIZATION_FAILURE")),
    "invalid_token": (401, lambda response: 'error="invalid_token"' in response.headers["www-authenticate"]),
    "insufficient_scope": (403, lambda response: 'error="insufficient_scope"' in response.headers["www-authenticate"]),
    "long_refusal": (403, lambda response: len(response.content) > 64 * 1024),
    "gzip_refusal": (403, lambda response: response.headers["content-encoding"] == "gzip" and "error" in response.json()),
    "endless_refusal": (403, lambda response: len(response.content) == 192 * 1024),
}


def test_every_fault_has_its_expectation() -> None:
    assert set(TOKEN) | CUT | {"corrupt_gzip", "gzip_bomb"} == set(TOKEN_FAULTS)
    assert set(API) | CUT | {"gzip_bomb_refusal"} == set(API_FAULTS)


async def test_a_fault_of_the_token_endpoint(subtests: pytest.Subtests) -> None:
    for name, (status, check) in TOKEN.items():
        with subtests.test(name):
            caller = new_caller()
            caller.app.admin.fail_tokens(name, seconds=0, size=20_000 if name == "huge_body" else None)
            spoilt = await caller.ask()
            healed = await caller.ask()

            assert spoilt.status_code == status
            assert check(spoilt)
            assert healed.status_code == 200
            assert [seen.fault for seen in caller.app.admin.token_requests()] == [name, None]


async def test_a_fault_of_the_api(subtests: pytest.Subtests) -> None:
    for name, (status, check) in API.items():
        with subtests.test(name):
            caller = new_caller()
            token = await caller.token()
            caller.app.admin.fail_api(name, seconds=0, size=192 * 1024 if name == "endless_refusal" else None)
            spoilt = await caller.call("GET", "/products", token)
            healed = await caller.call("GET", "/products", token)

            assert spoilt.status_code == status
            assert check(spoilt)
            assert healed.status_code == 200


async def test_an_odd_token_type_comes_with_a_token_that_works(caller: Caller, app: SandboxApp) -> None:
    app.admin.fail_tokens("token_type_odd_case")

    assert (await caller.call("GET", "/products", await caller.token())).status_code == 200


async def test_the_secret_comes_back_in_the_description(caller: Caller, app: SandboxApp) -> None:
    app.admin.fail_tokens("secret_echo")

    assert caller.account.client_secret in (await caller.ask()).json()["error_description"]


async def test_a_fault_applies_to_refusals(caller: Caller, app: SandboxApp) -> None:
    app.admin.fail_tokens("token_type_mac")
    response = await caller.send("POST", caller.token_url, headers=basic("nobody", "x"), json=CLIENT_CREDENTIALS)

    assert response.json() == {"token_type": "mac"}


def test_the_bomb_is_small_until_it_is_unfolded() -> None:
    bomb = gzip_bomb(2 * 1024 * 1024)

    assert len(bomb) < 5000
    assert len(gzip.decompress(bomb)) > 2 * 1024 * 1024


async def test_compressed_answers_arrive_undecoded(app: SandboxApp, caller: Caller, subtests: pytest.Subtests) -> None:
    for name, first in (("gzip_bomb", b"\x1f\x8b"), ("corrupt_gzip", b"\x1f\x8b\x08junk")):
        with subtests.test(name):
            app.admin.fail_tokens(name, size=1000)
            request = httpx.Request("POST", caller.token_url, json=CLIENT_CREDENTIALS)
            response = await httpx.ASGITransport(app).handle_async_request(request)
            raw = b"".join([chunk async for chunk in cast("httpx.AsyncByteStream", response.stream)])

            assert response.status_code == 200
            assert response.headers["content-encoding"] == "gzip"
            assert raw.startswith(first)


async def test_a_refusal_that_unfolds(caller: Caller, app: SandboxApp) -> None:
    app.admin.fail_api("gzip_bomb_refusal", size=1000)
    response = await caller.send("GET", "/system/ping")

    assert response.status_code == 403
    assert len(response.content) > 1000


RETRY_AFTER: list[tuple[float | str | None, str | None]] = [
    (7, "7"),
    (1.5, "1.5"),
    (DATE, DATE),
    ("soon", "soon"),
    (None, None),
]


async def test_retry_after(subtests: pytest.Subtests) -> None:
    for wait, header in RETRY_AFTER:
        for name, status in (("too_many_requests", 429), ("unavailable", 503)):
            with subtests.test(name, wait=wait):
                caller = new_caller()
                caller.app.admin.fail_tokens(name, retry_after=wait)
                caller.app.admin.fail_api(name, retry_after=wait)

                for response in (await caller.ask(), await caller.send("GET", "/system/ping")):
                    assert response.status_code == status
                    assert response.headers.get("retry-after") == header


async def test_where_a_redirect_leads(caller: Caller, app: SandboxApp) -> None:
    app.admin.fail_tokens("redirect_307", location="https://thief.example/token")

    assert (await caller.ask()).headers["location"] == "https://thief.example/token"


async def test_faults_occur_in_their_order_and_number(caller: Caller, app: SandboxApp) -> None:
    app.admin.fail_tokens("unavailable", times=2)
    app.admin.fail_tokens("html")
    statuses = [(await caller.ask()).status_code for _ in range(4)]

    assert statuses == [503, 503, 200, 200]
    assert [seen.fault for seen in app.admin.token_requests()] == ["unavailable", "unavailable", "html", None]


async def test_a_fault_lasts_until_it_is_cleared(caller: Caller, app: SandboxApp) -> None:
    app.admin.fail_tokens("unavailable", times=None)
    app.admin.fail_api("unavailable", times=None)
    failing = [(await caller.ask()).status_code for _ in range(3)]
    failing.append((await caller.send("GET", "/system/ping")).status_code)
    app.admin.clear_faults()

    assert failing == [503] * 4
    assert (await caller.ask()).status_code == 200
    assert (await caller.send("GET", "/system/ping")).status_code == 200


async def test_a_fault_of_some_paths(caller: Caller, app: SandboxApp) -> None:
    app.admin.fail_api("unavailable", times=None, path="/products")

    assert (await caller.send("GET", "/products/1001")).status_code == 503
    assert (await caller.send("GET", "/system/ping")).status_code == 200
    assert (await caller.ask()).status_code == 200


async def test_faults_and_delays_add_up(caller: Caller, app: SandboxApp) -> None:
    app.admin.configure(api_delay=0.01)
    app.admin.fail_api("slow", seconds=0.01)
    started = anyio.current_time()

    assert (await caller.send("GET", "/system/ping")).status_code == 200
    assert anyio.current_time() - started >= 0.019


@pytest.mark.parametrize("options", [SandboxOptions(api_delay=3600)])
async def test_a_delay_that_is_released(caller: Caller, app: SandboxApp) -> None:
    answers: list[Any] = []

    async def call() -> None:
        answers.append(await caller.send("GET", "/system/ping"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        app.admin.release()

    assert [json.loads(answer.content) for answer in answers] == [{"ping": "pong"}]


async def test_in_process_a_connection_that_is_cut_is_an_exception(caller: Caller, app: SandboxApp) -> None:
    for name in sorted(CUT):
        app.admin.fail_api(name, seconds=0)

        with pytest.raises(ConnectionResetError):
            await caller.send("GET", "/system/ping")
