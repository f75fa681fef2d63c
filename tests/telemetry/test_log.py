"""Log lines of fetches, re-authentications, cool-downs and blocked requests, and the spans around them."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace

import prio_middleware
from prio_middleware import PrioError
from prio_middleware._util.clock import using
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import Pause
from prio_middleware.telemetry.logs import end_token_failures, log_failure
from prio_middleware.telemetry.metrics import Telemetry
from prio_middleware.telemetry.names import FETCH, REAUTHENTICATE
from scripts.telemetry_reference import EVENTS
from tests.oauth import helpers
from tests.telemetry.helpers import Recorder
from tests.transports.matrix import MatrixClient, Server, settings

pytestmark = pytest.mark.anyio

STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


@pytest.fixture
def anyio_backend(matrix: MatrixClient) -> str:
    return matrix.backend


class Lines(logging.Handler):
    """The lines as they are logged, each with its extras and the span it was logged in."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, dict[str, Any], int]] = []
        self.levels: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        extras = {name: value for name, value in vars(record).items() if name not in STANDARD}
        assert all(name.startswith("prio_") for name in extras)
        extras = {name.removeprefix("prio_"): value for name, value in extras.items()}
        self.levels.append(record.levelno)
        self.lines.append((record.getMessage(), extras, trace.get_current_span().get_span_context().span_id))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [extras for _, extras, _ in self.lines if extras["event"] == event]


@pytest.fixture
def lines() -> Iterator[Lines]:
    logger, lines = logging.getLogger("prio_middleware"), Lines()
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.DEBUG)
    yield lines
    logger.removeHandler(lines)
    logger.setLevel(level)


def span_id(recorder: Recorder, name: str) -> int:
    context = recorder.span(name).context
    assert context is not None
    return int(context.span_id)


async def test_a_fetch_is_a_line_in_its_span(matrix: MatrixClient, recorder: Recorder, lines: Lines) -> None:
    await matrix.client(Server(matrix), **recorder.options).get()
    ((message, extras, span),) = lines.lines
    assert "'shop'" in message
    assert "3600" in message
    assert extras.pop("duration") >= 0
    assert extras == {
        "event": "token_fetch",
        "client": "shop",
        "reason": "initial",
        "outcome": "ok",
        "attempts": 1,
        "source": "endpoint",
    }
    assert span == span_id(recorder, FETCH)
    assert lines.levels == [logging.INFO]


@pytest.mark.pitfall(id="late-counts")
def test_the_first_failed_attempt_is_a_line_at_once_which_says_what_comes_next(recorder: Recorder, lines: Lines) -> None:
    clock, server = helpers.Clock(), helpers.Server(helpers.answer(503), helpers.answer(503), helpers.token())
    seen: list[str] = []

    def look(pause: Pause) -> None:
        seen.append(f"next attempt in {pause.seconds:.1f} s, gives up in {pause.give_up_seconds:.0f} s")
        assert len(lines.of("token_request_failed")) == 1  # Callers wait during the pause.

    with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
        helpers.play_pauses(helpers.provider(clock).acquire(DEFAULT_OPTIONS, None), server, clock, look)
    (message, extras, span), (_, ended, _) = lines.lines
    assert len(seen) == 2
    assert seen[0] in message.lower()
    assert "503" in message
    assert {name: extras[name] for name in ("event", "outcome", "reason")} == {
        "event": "token_request_failed",
        "outcome": "5xx",
        "reason": "initial",
    }
    assert span == span_id(recorder, FETCH)
    assert lines.levels == [logging.WARNING, logging.WARNING]  # The line that ends a failure is seen where its beginning is.
    assert (ended["outcome"], ended["attempts"]) == ("ok", 3)


async def test_a_fresh_token_is_no_line(matrix: MatrixClient, recorder: Recorder, lines: Lines) -> None:
    client = matrix.client(Server(matrix), **recorder.options)
    await client.get()
    lines.lines.clear()
    await client.get()
    assert lines.lines == []


async def test_a_retry_is_a_line_in_its_span(matrix: MatrixClient, recorder: Recorder, lines: Lines) -> None:
    server = Server(matrix)
    client = matrix.client(server, **recorder.options)
    await client.get()
    server.revoke(1)
    await client.get()
    message, extras, span = lines.lines[-1]
    assert "'shop'" in message
    assert "invalid_token" in message
    assert extras == {
        "event": "reauthentication",
        "client": "shop",
        "status": 401,
        "reason": "invalid_token",
        "outcome": "succeeded",
    }
    assert span == span_id(recorder, REAUTHENTICATE)


async def test_a_cooldown_is_a_line_when_it_begins_and_a_debug_line_for_each_call(
    matrix: MatrixClient, recorder: Recorder, lines: Lines
) -> None:
    server = Server(matrix, token=lambda _: matrix.library.Response(401, json={"error": "invalid_client"}))
    client = matrix.client(server, **recorder.options)
    for _ in range(3):
        with pytest.raises(PrioError):
            await client.get()
    assert [extras["event"] for _, extras, _ in lines.lines] == ["token_fetch", "failure_cooldown", "blocked", "blocked"]
    assert lines.levels == [logging.WARNING, logging.WARNING, logging.DEBUG, logging.DEBUG]
    (fetch,), (failure_cooldown,) = lines.of("token_fetch"), lines.of("failure_cooldown")
    assert fetch["outcome"] == "invalid_client"
    assert failure_cooldown == {"event": "failure_cooldown", "client": "shop", "duration": 10.0}
    assert lines.of("blocked") == [{"event": "blocked", "client": "shop", "reason": "cooling_down"}] * 2
    assert {span for _, _, span in lines.lines[:2]} == {span_id(recorder, FETCH)}


async def test_a_blocked_request_is_a_line(matrix: MatrixClient, recorder: Recorder, lines: Lines) -> None:
    client = matrix.client(Server(matrix), settings=settings(foreign_origins="refuse"), **recorder.options)
    for url in ("http://api.example/?key=k3y", "https://elsewhere.example/?key=k3y"):
        with pytest.raises(PrioError):
            await client.get(url)
    reasons = [{"event": "blocked", "client": "shop", "reason": reason} for reason in ("plain_http", "foreign_origin")]
    assert [extras for _, extras, _ in lines.lines] == reasons
    assert lines.levels == [logging.WARNING] * 2
    assert not any("k3y" in message for message, _, _ in lines.lines)


async def test_what_a_server_says_is_cut_to_what_may_be_repeated(
    matrix: MatrixClient, recorder: Recorder, lines: Lines
) -> None:
    nasty = "no\r\nsuch\x1b[31m client\u202e " + "x" * 10_000
    document = {"error": "invalid_client", "error_description": nasty}
    with pytest.raises(PrioError):
        await matrix.client(
            Server(matrix, token=lambda _: matrix.library.Response(401, json=document)), **recorder.options
        ).get()
    assert lines.lines
    for message, _, _ in lines.lines:
        assert message.isascii()
        assert message.isprintable()
        assert len(message) < 800


async def test_no_line_is_written_below_the_log_level(matrix: MatrixClient, recorder: Recorder, lines: Lines) -> None:
    logging.getLogger("prio_middleware").setLevel(logging.ERROR)
    await matrix.client(Server(matrix), **recorder.options).get()
    assert lines.lines == []


async def test_many_failing_calls_write_at_most_five_lines(matrix: MatrixClient, recorder: Recorder, lines: Lines) -> None:
    server = Server(matrix, token=lambda _: matrix.library.Response(401, json={"error": "invalid_client"}))
    client = matrix.client(server, settings=settings(failure_cooldown=0), **recorder.options)
    for _ in range(100):
        with pytest.raises(PrioError):
            await client.get()
    assert 1 <= len(lines.lines) <= 5


async def test_the_first_token_ends_a_failure_with_the_count(matrix: MatrixClient, recorder: Recorder, lines: Lines) -> None:
    answers = [matrix.library.Response(401, json={"error": "invalid_client"}) for _ in range(3)]
    server = Server(matrix, token=lambda _: answers.pop() if answers else server.grant())
    client = matrix.client(server, settings=settings(failure_cooldown=0), **recorder.options)
    for _ in range(3):
        with pytest.raises(PrioError):
            await client.get()
    await client.get()
    first, last = lines.of("token_fetch")
    assert (first["outcome"], last["outcome"], last["failures"]) == ("invalid_client", "ok", 3)
    assert lines.levels == [logging.WARNING] * 2


def test_a_failure_that_lasts_is_a_line_a_minute_for_each_client_and_kind(lines: Lines) -> None:
    seconds = [0.0]
    with using(lambda: seconds[0]):
        for each in range(0, 150, 10):
            seconds[0] = float(each)
            for client in ("shop", "berlin"):
                log_failure("Client %r failed.", client, event="blocked", client=client, kind="budget")
        log_failure("Client %r failed.", "shop", event="blocked", client="shop", kind="plain_http")
    assert [extras.get("left_out") for extras in lines.of("blocked")] == [None, None, 5, 5, 5, 5, None]
    assert "5 more" in lines.lines[2][0]


def test_the_failures_that_are_remembered_are_bounded(lines: Lines) -> None:
    with using(lambda: 0.0):
        for number in [*range(1001), 1000, 0]:
            log_failure("Failed.", event="blocked", client=f"client {number}")
    assert len(lines.lines) == 1002  # That of client 0 was forgotten.


def test_no_token_ends_the_failures_of_other_events_or_clients(lines: Lines) -> None:
    for event, client in (("blocked", "shop"), ("token_fetch", "berlin"), ("token_fetch", "shop")):
        log_failure("Failed.", event=event, client=client)
    assert end_token_failures("shop") == {"token_fetch": 1}
    assert end_token_failures("shop") == {}


def test_every_line_has_an_event_of_the_table() -> None:
    used = set()
    for path in Path(prio_middleware.__file__).parent.rglob("*.py"):
        source = path.read_text()
        if path.name != "logs.py":
            assert 'getLogger("prio_middleware")' not in source or path.parts[-2] in {"cli", "demo", "sandbox", "testing"}, path
        used.update(re.findall(r'(?:\bevent=|"event": )"(\w+)"', source))
    assert used == EVENTS.keys()
