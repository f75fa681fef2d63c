"""Spans of token fetches, waits and re-authentications: parents, links and attributes."""

from __future__ import annotations

import contextvars
import functools
import gc
import threading
import time
from typing import Any

import anyio.lowlevel
import anyio.to_thread
import pytest
from opentelemetry import trace
from opentelemetry.context import get_current
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from prio_middleware import ClientCredentialsProvider, NewTokenUnavailableError, PrioError, build
from prio_middleware._util.clock import using
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import Post, Wait, run
from prio_middleware.telemetry.metrics import Telemetry
from prio_middleware.telemetry.names import FETCH, REAUTHENTICATE, SCHEMA_URL, SCOPE, WAIT
from scripts.telemetry_reference import SPANS
from tests.oauth import helpers
from tests.telemetry.helpers import Recorder, attributes, until
from tests.transports.matrix import MatrixClient, Server, settings
from tests.transports.test_reauthentication import Streaming

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend(matrix: MatrixClient) -> str:
    return matrix.backend


@pytest.mark.pitfall(id="spans-below")
async def test_the_fetch_is_a_child_of_the_call_that_started_it(matrix: MatrixClient, recorder: Recorder) -> None:
    client = matrix.client(Server(matrix), **recorder.options)
    with recorder.tracer.start_as_current_span("call") as call:
        await client.get()
    fetch = recorder.span(FETCH)

    assert fetch.parent == call.get_span_context()
    assert fetch.kind is SpanKind.INTERNAL
    assert fetch.status.status_code is StatusCode.UNSET
    assert fetch.events == ()
    assert attributes(fetch) == {
        "credential.name": "shop",
        "server.address": "api.example",
        "server.port": 443,
        "token.fetch.reason": "initial",
        "token.fetch.attempts": 1,
        "token.expires_in": 3600.0,
        "token.source": "endpoint",
    }
    scope = fetch.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.schema_url) == (SCOPE, SCHEMA_URL)
    assert scope.version


async def test_a_fresh_token_makes_no_span(matrix: MatrixClient, recorder: Recorder) -> None:
    client = matrix.client(Server(matrix), **recorder.options)
    await client.get()
    recorder.clear()
    await client.get()
    assert recorder.spans() == []


async def test_the_request_is_sent_within_the_span_and_the_caller_keeps_its_own(
    matrix: MatrixClient, recorder: Recorder
) -> None:
    seen: list[Any] = []

    def token(_: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context())
        return server.grant()

    server = Server(matrix, token=token, respond=lambda _: seen.append(trace.get_current_span().get_span_context()))
    client = matrix.client(server, **recorder.options)
    with recorder.tracer.start_as_current_span("call") as call:
        await client.get()
        assert trace.get_current_span() is call
    assert seen == [recorder.span(FETCH).get_span_context(), call.get_span_context()]


ANSWERS: list[tuple[int, Any, str]] = [
    (400, {"error": "invalid_scope"}, "4xx"),
    (401, {"error": "invalid_client"}, "invalid_client"),
    (418, {"error": "TEAPOT_4711"}, "4xx"),
    (302, {}, "redirect"),
    (429, {}, "429"),
    (503, {}, "5xx"),
    (200, {}, "invalid_response"),
]
"""Answers of a token endpoint that are no token: status, document, and the ``error.type`` of the fetch."""


async def test_a_failed_fetch_says_of_which_kind(matrix: MatrixClient, recorder: Recorder, subtests: pytest.Subtests) -> None:
    for status, document, kind in ANSWERS:
        with subtests.test(kind):
            build.forget()
            recorder.clear()
            server = Server(matrix, token=functools.partial(answer, matrix, status, document))
            with pytest.raises(PrioError):
                await matrix.client(server, settings=settings(token_deadline=0.1, token_timeout=0.1), **recorder.options).get()
            fetch = recorder.span(FETCH)

            assert attributes(fetch)["error.type"] == kind
            assert "token.expires_in" not in attributes(fetch)
            assert fetch.status.status_code is StatusCode.ERROR
            assert fetch.status.description is None
            assert fetch.events == ()


def answer(matrix: MatrixClient, status: int, document: Any, _: Any) -> Any:
    return matrix.library.Response(status, json=document)


async def test_an_endpoint_that_cannot_be_reached(matrix: MatrixClient, recorder: Recorder) -> None:
    def token(_: Any) -> Any:
        raise matrix.library.ConnectError("refused")

    client = matrix.client(
        Server(matrix, token=token), settings=settings(token_deadline=0.1, token_timeout=0.1), **recorder.options
    )
    with pytest.raises(PrioError):
        await client.get()
    assert attributes(recorder.span(FETCH))["error.type"] == "connection_error"


async def test_a_request_that_cannot_be_made(matrix: MatrixClient, recorder: Recorder) -> None:
    client = matrix.client(Server(matrix), **recorder.options)
    with pytest.raises(PrioError):
        await client.get(extensions={"prio": {"scope": "a\nb"}})
    fetch = recorder.span(FETCH)
    assert attributes(fetch)["error.type"] == "_OTHER"
    assert attributes(fetch)["token.fetch.attempts"] == 0
    assert fetch.events == ()


def test_every_attempt_counts(recorder: Recorder) -> None:
    clock, server = helpers.Clock(), helpers.Server(helpers.answer(503), helpers.answer(503), helpers.token())
    with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
        helpers.play(helpers.provider(clock).acquire(DEFAULT_OPTIONS, None), server, clock)
    assert attributes(recorder.span(FETCH))["token.fetch.attempts"] == 3


async def test_the_span_of_a_retry_holds_the_new_fetch_and_the_outcome(matrix: MatrixClient, recorder: Recorder) -> None:
    server = Server(matrix)
    client = matrix.client(server, **recorder.options)
    await client.get()
    server.revoke(1)
    recorder.clear()
    with recorder.tracer.start_as_current_span("call") as call:
        await client.get()
        assert trace.get_current_span() is call
    again, fetch = recorder.span(REAUTHENTICATE), recorder.span(FETCH)

    assert again.parent == call.get_span_context()
    assert fetch.parent == again.get_span_context()
    assert attributes(fetch)["token.fetch.reason"] == "rejected"
    assert again.events == ()
    assert attributes(again) == {
        "credential.name": "shop",
        "http.response.status_code": 401,
        "reauthentication.reason": "invalid_token",
        "reauthentication.outcome": "succeeded",
    }
    assert again.status.status_code is StatusCode.UNSET


async def test_the_retry_is_sent_within_its_span(matrix: MatrixClient, recorder: Recorder) -> None:
    seen: list[Any] = []

    def respond(_: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context())
        return server.refuse() if len(seen) == 1 else None

    server = Server(matrix, respond=respond)
    await matrix.client(server, **recorder.options).get()
    assert seen[1] == recorder.span(REAUTHENTICATE).get_span_context()


async def test_what_a_server_says_becomes_no_attribute_but_for_known_codes(
    matrix: MatrixClient, recorder: Recorder, subtests: pytest.Subtests
) -> None:
    for code, reason in {"NO_SUCH_TOKEN_4711": "401", "insufficient": "401", "invalid_token": "invalid_token"}.items():
        with subtests.test(code):
            build.forget()
            recorder.clear()
            server = Server(matrix, respond=functools.partial(refuse, matrix, code))
            response = await matrix.client(server, settings=settings(preset="prio"), **recorder.options).get()
            again = recorder.span(REAUTHENTICATE)

            assert response.status_code == 401
            assert attributes(again)["reauthentication.reason"] == reason
            assert attributes(again)["reauthentication.outcome"] == "rejected"
            assert again.status.status_code is StatusCode.ERROR
            assert code == reason or code not in again.to_json()


def refuse(matrix: MatrixClient, code: str, _: Any) -> Any:
    return matrix.library.Response(401, json={"error": code, "error_reference": "REF-1"})


async def test_a_retry_without_a_token(matrix: MatrixClient, recorder: Recorder) -> None:
    answers = [200, 400]

    def token(_: Any) -> Any:
        return server.grant() if answers.pop(0) == 200 else matrix.library.Response(400, json={"error": "invalid_scope"})

    server = Server(matrix, token=token, respond=lambda _: server.refuse())
    response = await matrix.client(server, **recorder.options).get()
    assert isinstance(response.extensions["prio_middleware.reason"], NewTokenUnavailableError)
    assert attributes(recorder.span(REAUTHENTICATE))["reauthentication.outcome"] == "token_unavailable"


async def test_a_retry_that_cannot_be_made(matrix: MatrixClient, recorder: Recorder) -> None:
    async def later() -> Any:
        yield b"once"

    server = Server(matrix, respond=lambda _: server.refuse())
    pipeline = build.pipeline_for(settings())
    client = matrix.caller(matrix.transport(Streaming(matrix, server), pipeline=pipeline, **recorder.options))
    await client.post(content=(part for part in [b"once"]) if matrix.is_sync else later())
    assert attributes(recorder.span(REAUTHENTICATE))["reauthentication.outcome"] == "body_not_replayable"


async def test_a_retry_that_breaks(matrix: MatrixClient, recorder: Recorder) -> None:
    def respond(_: Any) -> Any:
        if len(server.calls) == 2:
            raise matrix.library.ReadError("cut off")
        return server.refuse()

    server = Server(matrix, respond=respond)
    with pytest.raises(matrix.library.ReadError):
        await matrix.client(server, **recorder.options).get()
    again = recorder.span(REAUTHENTICATE)
    assert attributes(again)["reauthentication.outcome"] == "failed"
    assert attributes(again)["error.type"] == "_OTHER"
    assert again.events == ()
    assert build.pipeline_for(settings()).counters.reauthentications["failed"] == 1


async def test_calls_that_wait_link_to_the_fetch_they_wait_for(matrix: MatrixClient, recorder: Recorder) -> None:
    def token(_: Any) -> Any:
        if not matrix.is_sync:
            return token_later()
        until(lambda: counters.waiting == 3)
        return server.grant()

    async def token_later() -> Any:
        with anyio.fail_after(30):
            while counters.waiting < 3:
                await anyio.lowlevel.checkpoint()
        return server.grant()

    server = Server(matrix, token=token)
    client = matrix.client(server, **recorder.options)
    counters = build.pipeline_for(settings()).counters
    before = time.time_ns()

    async def call(number: int) -> None:
        with recorder.tracer.start_as_current_span(f"call {number}"):
            await client.get()

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(call, number)
    fetch, waits = recorder.span(FETCH), recorder.waits()
    calls = {span_id(span): span for span in recorder.spans() if span.name.startswith("call")}

    assert len(waits) == 3
    for wait in waits:
        assert [link.context for link in wait.links] == [fetch.get_span_context()]
        assert wait.parent is not None
        parent = calls.pop(wait.parent.span_id)
        assert wait.start_time is not None
        assert before <= (parent.start_time or 0) <= wait.start_time <= (wait.end_time or 0)
        assert wait.start_time < (fetch.end_time or 0)
        assert attributes(wait) == {"credential.name": "shop"}
    assert counters.waiting == 0


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def steps_of(provider: ClientCredentialsProvider, recorder: Recorder) -> Any:
    """The steps of one acquisition, begun."""
    telemetry = Telemetry(recorder.tracer_provider, recorder.meter_provider)
    steps = helpers.inline(provider.acquire(DEFAULT_OPTIONS, None))
    with telemetry.in_use():
        return steps, next(steps)


@pytest.mark.pitfall(id="open-spans")
def test_steps_that_are_dropped_half_way_leave_no_span_in_the_callers_context(recorder: Recorder) -> None:
    with recorder.tracer.start_as_current_span("call") as call:
        context = get_current()
        steps, effect = steps_of(helpers.provider(), recorder)
        assert isinstance(effect, Post)
        assert trace.get_current_span() is call
        del steps
        gc.collect()
        assert get_current() is context
        assert trace.get_current_span() is call
    fetch = recorder.span(FETCH)
    assert attributes(fetch)["error.type"] == "cancelled"


@pytest.mark.pitfall(id="open-spans")
def test_a_coroutine_that_is_dropped_half_way_leaves_none_either(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    """Driven by hand, in the caller's own context, as some schedulers do."""

    class Never:
        def __await__(self) -> Any:
            yield

    async def send(_: Any) -> Any:
        await Never()

    telemetry = Telemetry(recorder.tracer_provider, None)

    async def call() -> None:
        with telemetry.in_use():
            await helpers.provider().aget_token(DEFAULT_OPTIONS, None, send)

    with recorder.tracer.start_as_current_span("call") as span:
        coroutine = call()
        coroutine.send(None)
        coroutine.close()
        assert trace.get_current_span() is span
        other = call()
        contextvars.copy_context().run(other.send, None)
        thread = threading.Thread(target=other.close)  # As a garbage collector may, in a context of its own.
        thread.start()
        thread.join()
    assert "Failed to detach" not in caplog.text
    assert len(recorder.fetches()) == 2


@pytest.mark.pitfall(id="late-links")
def test_the_link_is_there_when_the_span_of_a_wait_begins(recorder: Recorder) -> None:
    """Samplers see no other."""
    links: list[Any] = []

    class Watching(type(recorder.tracer_provider.sampler)):  # type: ignore[misc]
        def should_sample(self, parent: Any, trace_id: Any, name: str, *args: Any, **options: Any) -> Any:
            if name == WAIT:
                links.extend(options.get("links") or args[-1] or ())
            return sampler.should_sample(parent, trace_id, name, *args, **options)

    sampler = recorder.tracer_provider.sampler
    recorder.tracer_provider.sampler = Watching.__new__(Watching)
    provider = helpers.provider()
    leading, effect = steps_of(provider, recorder)
    waiting, wait = steps_of(provider, recorder)
    assert isinstance(effect, Post)
    assert isinstance(wait, Wait)
    with pytest.raises(StopIteration) as end:
        leading.send(helpers.token())
    with pytest.raises(StopIteration):
        waiting.send(end.value.value)
    assert [link.context for link in links] == [recorder.span(FETCH).get_span_context()]


def test_a_waiter_that_is_cancelled_or_told_of_a_failure_says_so(recorder: Recorder) -> None:
    provider = helpers.provider()
    leading, _ = steps_of(provider, recorder)
    cancelled, _ = steps_of(provider, recorder)
    told, wait = steps_of(provider, recorder)
    assert provider.counters.waiting == 2
    cancelled.close()
    with pytest.raises(StopIteration) as end:
        leading.send(helpers.refused("invalid_client", 401))
    with pytest.raises(StopIteration):
        told.send(end.value.value)
    assert [attributes(span)["error.type"] for span in recorder.waits()] == ["cancelled", "invalid_client"]
    assert provider.counters.waiting == 0
    assert wait.fetch.span == recorder.span(FETCH).get_span_context()


def test_a_call_on_the_thread_of_the_fetch_fetches_for_itself_without_a_wait(recorder: Recorder) -> None:
    provider = helpers.provider()
    _leading, _ = steps_of(provider, recorder)
    telemetry = Telemetry(recorder.tracer_provider, recorder.meter_provider)
    with telemetry.in_use():
        run(provider.acquire(DEFAULT_OPTIONS, None), lambda _: helpers.token())
    assert recorder.waits() == []
    assert provider.counters.waiting == 0
    assert provider.counters.acquisitions["fetched"] == 1


async def test_a_refresh_ahead_is_a_root_span_with_a_link_to_what_started_it(matrix: MatrixClient, recorder: Recorder) -> None:
    lifetimes, clock = [1000, 3600], helpers.Clock()

    def token(_: Any) -> Any:
        body = {"access_token": f"t{len(lifetimes)}", "token_type": "Bearer", "expires_in": lifetimes.pop(0)}
        return matrix.library.Response(200, json=body)

    with using(clock):
        client = matrix.client(Server(matrix, token=token), settings=settings(refresh="ahead"), **recorder.options)
    await client.get()
    recorder.clear()
    ended = recorder.end_of(FETCH)
    clock.now += 975
    with recorder.tracer.start_as_current_span("call") as call:
        await client.get()
    assert await anyio.to_thread.run_sync(ended.wait, 30)
    fetch = recorder.span(FETCH)

    assert fetch.parent is None
    assert fetch.context is not None
    assert fetch.context.trace_id != call.get_span_context().trace_id
    assert [link.context for link in fetch.links] == [call.get_span_context()]
    assert attributes(fetch)["token.fetch.reason"] == "expiring"


def test_a_refresh_ahead_of_no_span_has_no_link(recorder: Recorder) -> None:
    clock = helpers.Clock()
    provider = helpers.provider(clock, refresh="ahead")
    server = helpers.Server(helpers.token(1000), helpers.token())
    with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
        for _ in range(2):
            helpers.play(provider.acquire(DEFAULT_OPTIONS, None), server, clock)
            clock.now += 975
    assert [span.links for span in recorder.fetches()] == [(), ()]


def test_why_a_token_is_fetched(recorder: Recorder) -> None:
    clock, server = helpers.Clock(), helpers.Server()
    provider = helpers.provider(clock)

    def token(rejected: Any = None) -> Any:
        with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
            return helpers.play(provider.acquire(DEFAULT_OPTIONS, rejected), server, clock)

    first = token()
    clock.now += 4000
    token()
    clock.now += 4000
    second = token()
    third = token(second)
    provider.invalidate(third)
    token()
    provider.replace_credentials(helpers.endpoint("other"))
    token()
    reasons = [attributes(span)["token.fetch.reason"] for span in recorder.fetches()]
    assert reasons == ["initial", "expiring", "expiring", "rejected", "rejected", "forced"]
    assert first is not None


async def test_clients_of_one_provider_may_have_tracers_of_their_own(matrix: MatrixClient, recorder: Recorder) -> None:
    server, other = Server(matrix), Recorder()
    first, second = matrix.client(server, **recorder.options), matrix.client(server, **other.options)
    await first.get()
    await second.get()
    server.revoke(1)
    await second.get()
    assert (len(recorder.spans()), len(other.fetches()), len(other.reauthentications())) == (1, 1, 1)


async def test_no_span_has_an_attribute_that_is_not_declared(matrix: MatrixClient, recorder: Recorder) -> None:
    server = Server(matrix)
    client = matrix.client(server, **recorder.options)
    await client.get()
    server.revoke(1)
    await client.get()
    declared = {span.name: set(span.attributes) for span in SPANS}
    assert {span.name for span in recorder.spans()} == {FETCH, REAUTHENTICATE}
    for span in recorder.spans():
        assert (span.attributes or {}).keys() <= declared[span.name]
