"""One look at a client: what its calls did, counted right in every shell, and without OpenTelemetry."""

from __future__ import annotations

import pytest

from prio_middleware import PrioError, StaticTokenProvider, build
from prio_middleware.telemetry.snapshot import snapshot
from prio_middleware.transports.routes import transport_of
from tests.transports.matrix import MatrixClient, Server, settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(matrix: MatrixClient) -> str:
    return matrix.backend


def test_of_an_unused_client() -> None:
    seen = snapshot(build.pipeline_for(settings()))
    assert seen.client == "shop"
    assert set(seen.acquisitions.values()) == {0}
    assert (seen.lifetime, seen.expires_in, seen.cooldown_seconds, seen.waiting, seen.client_errors) == (None, None, None, 0, 0)


async def test_responses_are_counted_by_status_and_by_fresh_token(matrix: MatrixClient) -> None:
    statuses = [200, 200, 404, 200, 503, 299]
    answers = [matrix.library.Response(status) for status in statuses]
    client = matrix.client(Server(matrix, respond=lambda _: answers.pop(0)))
    for _ in statuses:
        await client.get()
    seen = snapshot(transport_of(client.client).pipeline)
    assert {status: count for status, count in seen.responses.items() if count} == {200: 3, 404: 1, 503: 1, 299: 1}
    assert seen.acquisitions["cached"] == 5
    assert seen.client_errors == 1
    assert seen.lifetime == 3600
    assert seen.expires_in == pytest.approx(3600, abs=60)


async def test_what_a_foreign_origin_answers_is_not_this_clients(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: matrix.library.Response(200 if len(server.calls) == 1 else 404))
    client = matrix.client(server)
    answers = [await client.get("https://elsewhere.example/") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 404]
    seen = snapshot(build.pipeline_for(settings()))
    assert sum(seen.responses.values()) == seen.client_errors == 0


async def test_both_responses_of_a_retried_request_are_counted(matrix: MatrixClient) -> None:
    server = Server(matrix)
    client = matrix.client(server)
    server.revoke(1)
    await client.get()
    seen = snapshot(build.pipeline_for(settings()))
    assert (seen.responses[401], seen.responses[200], seen.client_errors) == (1, 1, 1)


async def test_a_provider_that_tells_nothing(matrix: MatrixClient) -> None:
    transport = matrix.transport(
        matrix.library.MockTransport(Server(matrix)),
        provider=StaticTokenProvider("fixed-token"),
        origins=["https://api.example"],
    )
    await matrix.caller(transport).get()
    seen = snapshot(transport.pipeline)
    assert (seen.client, seen.acquisitions["cached"], seen.responses[200], seen.expires_in) == ("default", 1, 1, None)


def test_a_late_answer_to_a_client_of_another_test_is_not_counted_for_this_one() -> None:
    before = build.pipeline_for(settings())
    build.forget()
    seen = [snapshot(build.pipeline_for(settings()))]
    for _ in range(60):
        before.counters.count_other_response(404)
    seen.append(snapshot(build.pipeline_for(settings())))
    assert snapshot(before).client_errors == 60
    assert [(each.client, each.client_errors, each.responses[404]) for each in seen] == [("shop", 0, 0)] * 2


def test_the_preset_says_how_many_client_errors_the_server_takes() -> None:
    limits = {
        preset: snapshot(build.pipeline_for(settings(preset=preset))).client_error_limit for preset in ("prio", "rfc6749")
    }
    assert limits == {"prio": 60, "rfc6749": None}


async def test_a_snapshot_is_a_copy(matrix: MatrixClient) -> None:
    client = matrix.client(Server(matrix))
    before = snapshot(build.pipeline_for(settings()))
    await client.get()
    assert before.responses[200] == 0
    assert snapshot(build.pipeline_for(settings())).responses[200] == 1


async def test_a_blocked_call_sends_nothing_and_counts_no_response(matrix: MatrixClient) -> None:
    client = matrix.client(Server(matrix))
    with pytest.raises(PrioError):
        await client.get("http://api.example/v1")
    assert sum(snapshot(build.pipeline_for(settings())).responses.values()) == 0
