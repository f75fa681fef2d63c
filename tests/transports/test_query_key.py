"""API key in the query: sent to allowed origins only, and shown by no URL."""

from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ConfigurationError, Exchange, HTTPSEnforcer, NoTokenProvider, OriginGuard, Pipeline, QueryKey
from prio_middleware._util.clock import using
from prio_middleware._util.secret import Secret
from prio_middleware.middleware.query_key import with_query
from prio_middleware.settings import ClientSettings
from tests.oauth.helpers import Clock
from tests.transports.matrix import BASE, MatrixClient, Server, settings

pytestmark = pytest.mark.anyio

CANARY = "k3y&of#the shop"
SENT = b"key=k3y%26of%23the%20shop"


class Targets(Server):
    """Server that keeps the targets of the requests, and the text of their URLs."""

    def __init__(self, matrix: MatrixClient, **options: Any) -> None:
        super().__init__(matrix, **options)
        self.targets: list[bytes] = []
        self.queries: list[bytes] = []
        self.shown: list[str] = []

    def __call__(self, request: Any) -> Any:
        self.targets.append(request.url.raw_path)
        self.queries.append(request.url.query)
        self.shown.append(f"{request.url} {request.url!r} {request!r} {request.url.params}")
        return super().__call__(request)


def own(**values: Any) -> ClientSettings:
    return ClientSettings(preset="rfc6749", name="shop", base_url=BASE, provider="none", **values)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    return path


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(len(text), len(text)))


async def test_the_key_is_sent_and_not_shown(matrix: MatrixClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = Targets(matrix)
    client = matrix.client(server, settings=settings(api_key=CANARY))
    response = await client.get()
    await client.get("/products?a=b")

    assert server.targets == [b"/token", b"/v1/products?" + SENT, b"/v1/products?a=b&" + SENT]
    assert server.queries[1] == SENT
    assert "k3y" not in f"{server.shown} {caplog.text} {response.url} {response.request.url} {client.client!r}"


async def test_other_origins_do_not_get_it(matrix: MatrixClient) -> None:
    def respond(request: Any) -> Any:
        if request.url.path == "/v1/leave":
            return matrix.library.Response(302, headers={"location": "https://elsewhere.example/there"})
        if request.url.path == "/v1/stay":
            return matrix.library.Response(302, headers={"location": "/v1/here"})
        return None

    server = Targets(matrix, respond=respond)
    client = matrix.client(server, settings=own(api_key=CANARY))
    await client.get("https://elsewhere.example/")
    await client.get("/leave", follow_redirects=True)
    await client.get("/stay", follow_redirects=True)

    keyed = [b"/v1/leave?" + SENT, b"/there", b"/v1/stay?" + SENT, b"/v1/here?" + SENT]
    assert server.targets == [b"/", *keyed]


async def test_a_component_that_bypasses_the_rest_takes_the_key_along(matrix: MatrixClient) -> None:
    class Without:
        def on_request(self, exchange: Exchange) -> None:
            exchange.bypass()

    server = Targets(matrix)
    pipeline = Pipeline([HTTPSEnforcer(), OriginGuard([BASE]), QueryKey(CANARY), NoTokenProvider(), Without()])
    await matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline)).get()

    assert server.targets == [b"/v1/products"]


async def test_a_key_of_the_caller_is_kept(matrix: MatrixClient) -> None:
    server = Targets(matrix)
    await matrix.client(server, settings=own(api_key=CANARY)).get("/products?key=own")

    assert server.targets == [b"/v1/products?key=own"]


async def test_a_retry_carries_the_key_too(matrix: MatrixClient) -> None:
    server = Targets(matrix)
    client = matrix.client(server, settings=settings(api_key=CANARY))
    await client.get()
    server.revoked.add(server.calls[-1][2]["authorization"])
    response = await client.get()

    assert response.status_code == 200
    assert [target for target in server.targets if target != b"/token"] == [b"/v1/products?" + SENT] * 3


async def test_a_failure_names_the_callers_url(matrix: MatrixClient) -> None:
    def fail(request: Any) -> Any:
        raise matrix.library.ReadTimeout(f"no answer from {request.url}", request=request)

    client = matrix.client(fail, settings=own(api_key=CANARY))
    with pytest.raises(matrix.library.ReadTimeout) as caught:
        await client.get()
    assert "k3y" not in f"{caught.value} {caught.value.request.url}"


async def test_a_changed_file_is_noticed(matrix: MatrixClient, file: Path) -> None:
    clock, server = Clock(), Targets(matrix)
    write(file, "first\n")
    with using(clock):
        client = matrix.client(server, settings=own(api_key_file=file))
        for text in ("first", "second!", "third\nline"):  # The last one cannot be used.
            write(file, text)
            clock.now += 1
            await client.get()

    assert server.targets == [b"/v1/products?key=first", *[b"/v1/products?key=second%21"] * 2]


async def test_an_api_that_echoes_the_key_is_not_repeated(matrix: MatrixClient) -> None:
    server = Targets(matrix, respond=lambda _: matrix.library.Response(401, json={"error": CANARY}))
    client = matrix.client(server, settings=settings(api_key=CANARY))
    server.revoked.add("Bearer")
    reasons = [(await client.get(f"/{number}")).extensions.get("prio_middleware.reason") for number in range(4)]

    assert CANARY not in f"{reasons} {[vars(reason) for reason in reasons if reason]}"


@pytest.mark.parametrize("text", ["", "a\nb", "a\x07"])
def test_a_wrong_key_is_an_error_without_its_text(text: str, file: Path) -> None:
    with pytest.raises(ConfigurationError, match="API key"):
        QueryKey(text)
    write(file, text)
    with pytest.raises(ConfigurationError) as caught:
        MatrixClient("httpx-sync").client(lambda _: None, settings=own(api_key_file=file))
    assert "a\n" not in str(caught.value)


def test_two_keys_conflict(file: Path) -> None:
    write(file, "key")
    with pytest.raises(ConfigurationError, match="conflicts with api_key"):
        own(api_key="a", api_key_file=file)


def test_no_dump_shows_the_key(matrix: MatrixClient) -> None:
    url = with_query(matrix.library.URL(BASE), Secret("key=k3y"))
    assert "k3y" not in f"{QueryKey(CANARY)!r} {url} {url!r} {vars(url)}"
    with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
        pickle.dumps(url)
