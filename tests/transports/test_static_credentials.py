"""Static credentials: headers and tokens that are not fetched, at allowed origins only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import (
    ConfigurationError,
    Exchange,
    HTTPSEnforcer,
    NoTokenProvider,
    OriginGuard,
    Pipeline,
    StaticHeaders,
)
from prio_middleware._util.clock import using
from prio_middleware.settings import ClientSettings, Settings
from tests.oauth.helpers import Clock
from tests.transports.matrix import BASE, MatrixClient, Server

pytestmark = pytest.mark.anyio

CANARY = "s3cret-key-of-the-supplier"


def own(**values: Any) -> ClientSettings:
    return ClientSettings(preset="rfc6749", name="shop", base_url=BASE, **values)


def sent(server: Server, name: str) -> list[str | None]:
    return [headers.get(name) for _, _, headers, _ in server.calls]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "credentials"
    path.touch(mode=0o600)
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(len(text), len(text)))  # Another stamp, however coarse the file system's clock is.


async def test_an_api_key_goes_to_allowed_origins_only(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server, settings=own(provider="none", headers={"X-Api-Key": CANARY}))
    await client.get()
    await client.get("https://elsewhere.example/")
    await client.get(headers={"x-api-key": "the caller's"})

    assert sent(server, "x-api-key") == [CANARY, None, "the caller's"]
    assert sent(server, "authorization") == [None] * 3
    assert server.token_requests == []


async def test_a_redirect_abroad_loses_it(matrix: MatrixClient) -> None:
    def respond(request: Any) -> Any:
        if request.url.host == "api.example":
            return matrix.library.Response(302, headers={"location": "https://elsewhere.example/"})
        return None

    server = Server(matrix, respond=respond)
    client = matrix.client(server, settings=own(provider="none", headers={"X-Api-Key": CANARY}))
    await client.get(follow_redirects=True)

    assert sent(server, "x-api-key") == [CANARY, None]


async def test_headers_go_beside_a_token(matrix: MatrixClient, server: Server, file: Path) -> None:
    write(file, "token-of-the-file\n")
    client = matrix.client(server, settings=own(provider="static", token_file=file, headers={"X-Api-Key": CANARY}))
    await client.get()

    assert sent(server, "x-api-key") == [CANARY]
    assert sent(server, "authorization") == ["Bearer token-of-the-file"]


async def test_a_changed_token_file_is_noticed_within_a_second(matrix: MatrixClient, server: Server, file: Path) -> None:
    clock = Clock()
    write(file, "first")
    with using(clock):
        client = matrix.client(server, settings=own(provider="static", token_file=file))
        await client.get()
        write(file, "second")
        clock.now += 1
        await client.get()
        write(file, "")  # The old token stays.
        clock.now += 1
        await client.get()

    assert sent(server, "authorization") == ["Bearer first", "Bearer second", "Bearer second"]


async def test_a_rejected_token_is_looked_up_at_once(matrix: MatrixClient, server: Server, file: Path) -> None:
    write(file, "first")
    client = matrix.client(server, settings=own(provider="static", token_file=file))
    await client.get()
    server.revoked.add("Bearer first")
    write(file, "second")
    response = await client.get()

    assert response.status_code == 200
    assert sent(server, "authorization") == ["Bearer first", "Bearer first", "Bearer second"]


async def test_a_rejected_token_without_a_replacement_is_logged(matrix: MatrixClient, server: Server, file: Path) -> None:
    write(file, "first")
    client = matrix.client(server, settings=own(provider="static", token_file=file))
    server.revoked.add("Bearer first")
    response = await client.get()

    assert response.status_code == 401
    assert "fixed token" in str(response.extensions["prio_middleware.reason"])


async def test_a_changed_file_of_headers_is_noticed(matrix: MatrixClient, server: Server, file: Path) -> None:
    clock = Clock()
    write(file, "# for the supplier\nX-Api-Key: first\nX-Shop: 7\n")
    with using(clock):
        client = matrix.client(server, settings=own(provider="none", headers_file=file))
        await client.get()
        write(file, "X-Api-Key: second")
        clock.now += 1
        await client.get()
        write(file, "no header")  # The old ones stay.
        clock.now += 1
        await client.get()

    assert sent(server, "x-api-key") == ["first", "second", "second"]
    assert sent(server, "x-shop") == ["7", None, None]


async def test_a_component_may_sign_each_request(matrix: MatrixClient, server: Server) -> None:
    class Signer:
        def on_request(self, exchange: Exchange) -> None:
            exchange.headers["X-Signature"] = f"signed {exchange.request.method}"

    pipeline = Pipeline([HTTPSEnforcer(), OriginGuard([BASE]), NoTokenProvider(), Signer()])
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))
    await client.get()
    await client.get("https://elsewhere.example/")

    assert sent(server, "x-signature") == ["signed GET", None]
    assert sent(server, "authorization") == [None, None]


async def test_an_api_that_echoes_a_key_or_an_earlier_token_is_not_repeated(matrix: MatrixClient, file: Path) -> None:
    first, answers, clock = "first-t0ken-of-the-file", list[Any](), Clock()
    server = Server(matrix, respond=lambda _: answers.pop() if answers else None)
    write(file, first)
    with using(clock):
        client = matrix.client(server, settings=own(provider="static", token_file=file, headers={"X-Key": CANARY}))
        await client.get()
        write(file, "second")
        clock.now += 1
        await client.get()
        answers.append(matrix.library.Response(401, json={"error": CANARY, "error_reference": first}))
        reason = (await client.get()).extensions["prio_middleware.reason"]

    assert (reason.code, reason.error_reference) == (None, None)


@pytest.mark.parametrize(
    "lines", ["", "# nothing\n", f"X-Api-Key {CANARY}", f"X-Key: {CANARY}\x07", f"Host: {CANARY}", f"A: {CANARY}\nA: b"]
)
def test_a_wrong_file_of_headers_is_an_error_without_its_text(
    lines: str, file: Path, matrix: MatrixClient, server: Server
) -> None:
    write(file, lines)
    with pytest.raises(ConfigurationError) as caught:
        matrix.client(server, settings=own(provider="none", headers_file=file))
    assert CANARY not in str(caught.value)


def test_a_token_that_no_header_holds_is_told_without_its_text(file: Path, matrix: MatrixClient, server: Server) -> None:
    write(file, f"{CANARY} \u20ac")
    with pytest.raises(ConfigurationError, match="no header can hold") as caught:
        matrix.client(server, settings=own(provider="static", token_file=file))
    assert CANARY not in str(caught.value)


def test_a_token_file_without_a_token_is_an_error(file: Path, matrix: MatrixClient, server: Server) -> None:
    with pytest.raises(ConfigurationError, match="empty"):
        matrix.client(server, settings=own(provider="static", token_file=file))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"provider": "none"}, "headers: missing"),
    ({"provider": "none", "headers": {"A": "b"}, "client_id": "x"}, "client_id: has no effect"),
    ({"provider": "none", "headers": {"A": "b"}, "token_file": __file__}, "token_file: has no effect"),
    ({"provider": "none", "headers": {"Host": CANARY}}, "headers: Host cannot be among them"),
    ({"provider": "none", "headers": {"A": f"{CANARY}\r\nB: c"}}, "headers: expected"),
    ({"provider": "none", "headers": {"A": "b"}, "headers_file": __file__}, "headers_file: conflicts with headers"),
    ({"provider": "none", "headers": {"A": "b"}, "pipeline": "https_enforcer,origin_guard,token_provider"}, "static_headers"),
    ({"provider": "static"}, "token_file: missing"),
    ({"client_id": "x", "client_secret": "y", "token_url": f"{BASE}/token", "token_file": __file__}, "token_file: needs"),
]


def test_wrong_settings_are_an_error(subtests: pytest.Subtests) -> None:
    for values, problem in WRONG:
        with subtests.test(problem), pytest.raises(ConfigurationError) as caught:
            own(**values)
        assert problem in str(caught.value)
        assert CANARY not in str(caught.value)


def test_a_named_client_inherits_no_headers() -> None:
    common = {"preset": "rfc6749", "base_url": BASE, "provider": "none"}
    found = Settings.from_values(**common, headers={"A": CANARY}, clients={"other": {"headers": {"B": "c"}}})

    assert [name for name, _ in found.client("other").headers] == ["B"]


def test_the_repr_shows_no_value() -> None:
    assert CANARY not in repr(StaticHeaders({"X-Api-Key": CANARY}))
    assert CANARY not in repr(own(provider="none", headers={"X-Api-Key": CANARY}))
    with pytest.raises(ConfigurationError):
        StaticHeaders({"X-Api-Key": f"{CANARY}\n"})
