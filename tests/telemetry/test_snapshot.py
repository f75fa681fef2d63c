"""One look at a client: what its calls did, counted right in every shell, and without OpenTelemetry."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from prio_middleware import PrioError, StaticTokenProvider, build
from prio_middleware.telemetry.snapshot import snapshot
from tests.transports.world import Server, World, settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(world: World) -> str:
    return world.backend


async def test_of_an_unused_client(world: World) -> None:
    seen = snapshot(build.pipeline_for(settings()))
    assert seen.client == "shop"
    assert set(seen.acquisitions.values()) == {0}
    assert (seen.lifetime, seen.expires_in, seen.held_back, seen.waiting, seen.client_errors) == (None, None, None, 0, 0)


async def test_responses_are_counted_by_status_and_fresh_tokens_too(world: World) -> None:
    statuses = [200, 200, 404, 200, 503, 299]
    answers = [world.library.Response(status) for status in statuses]
    client = world.client(Server(world, respond=lambda _: answers.pop(0)))
    for _ in statuses:
        await client.get()
    seen = snapshot(build.pipeline_for(settings()))
    assert {status: count for status, count in seen.responses.items() if count} == {200: 3, 404: 1, 503: 1, 299: 1}
    assert seen.acquisitions["fresh"] == 5
    assert seen.client_errors == 1
    assert seen.lifetime == 3600
    assert seen.expires_in == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("status", [200, 404])
async def test_what_a_foreign_origin_answers_is_not_this_clients(world: World, status: int) -> None:
    client = world.client(Server(world, respond=lambda _: world.library.Response(status)))
    await client.get("https://elsewhere.example/")
    seen = snapshot(build.pipeline_for(settings()))
    assert sum(seen.responses.values()) == seen.client_errors == 0


async def test_both_answers_of_a_second_try_are_counted(world: World) -> None:
    server = Server(world)
    client = world.client(server)
    server.revoke(1)
    await client.get()
    seen = snapshot(build.pipeline_for(settings()))
    assert (seen.responses[401], seen.responses[200], seen.client_errors) == (1, 1, 1)


async def test_a_provider_that_tells_nothing(world: World) -> None:
    transport = world.transport(
        world.library.MockTransport(Server(world)), provider=StaticTokenProvider("fixed-token"), origins=["https://api.example"]
    )
    await world.caller(transport).get()
    seen = snapshot(transport.pipeline)
    assert (seen.client, seen.acquisitions["fresh"], seen.responses[200], seen.expires_in) == ("default", 1, 1, None)


@pytest.mark.parametrize(("preset", "limit"), [("prio", 60), ("rfc6749", None)])
async def test_the_preset_says_how_many_client_errors_the_server_takes(world: World, preset: Any, limit: int | None) -> None:
    assert snapshot(build.pipeline_for(settings(preset=preset))).client_error_limit == limit


async def test_it_is_a_copy(world: World) -> None:
    client = world.client(Server(world))
    before = snapshot(build.pipeline_for(settings()))
    await client.get()
    assert before.responses[200] == 0
    assert dataclasses.is_dataclass(before)


async def test_a_refused_call_sends_nothing_and_counts_no_response(world: World) -> None:
    client = world.client(Server(world))
    with pytest.raises(PrioError):
        await client.get("http://api.example/v1")
    assert sum(snapshot(build.pipeline_for(settings())).responses.values()) == 0
