"""One line for each fetch, second try, hold-back and refusal: what it says, and in whose span."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import trace

from prio_middleware import PrioError
from prio_middleware.telemetry.names import FETCH, REAUTHENTICATE
from tests.telemetry.kit import Recorder
from tests.transports.world import Server, World, settings

pytestmark = pytest.mark.anyio

STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


@pytest.fixture
def anyio_backend(world: World) -> str:
    return world.backend


class Lines(logging.Handler):
    """The lines as they are logged, each with its extras and the span it was logged in."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, dict[str, Any], int]] = []
        self.levels: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        extras = {name: value for name, value in vars(record).items() if name not in STANDARD}
        self.levels.append(record.levelno)
        self.lines.append((record.getMessage(), extras, trace.get_current_span().get_span_context().span_id))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [extras for _, extras, _ in self.lines if extras["event"] == event]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    logger, lines = logging.getLogger("prio_middleware"), Lines()
    monkeypatch.setattr(logger, "handlers", [lines])
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    monkeypatch.setattr(logger, "propagate", False)
    logger.manager._clear_cache()  # type: ignore[attr-defined]  # what a level that is set by hand leaves behind
    return lines


def span_id(recorder: Recorder, name: str) -> int:
    context = recorder.span(name).context
    assert context is not None
    return int(context.span_id)


async def test_a_fetch_is_a_line_in_its_span(world: World, recorder: Recorder, lines: Lines) -> None:
    await world.client(Server(world), **recorder.options).get()
    ((message, extras, span),) = lines.lines
    assert message == "The client 'shop' has a new token (initial), good for 3600 s."
    assert extras.pop("duration") >= 0
    assert extras == {
        "event": "token.fetch",
        "client": "shop",
        "reason": "initial",
        "outcome": "ok",
        "attempts": 1,
        "source": "endpoint",
    }
    assert span == span_id(recorder, FETCH.name)
    assert lines.levels == [logging.INFO]


async def test_a_fresh_token_is_no_line(world: World, recorder: Recorder, lines: Lines) -> None:
    client = world.client(Server(world), **recorder.options)
    await client.get()
    lines.lines.clear()
    await client.get()
    assert lines.lines == []


async def test_a_second_try_is_a_line_in_its_span(world: World, recorder: Recorder, lines: Lines) -> None:
    server = Server(world)
    client = world.client(server, **recorder.options)
    await client.get()
    server.revoke(1)
    await client.get()
    message, extras, span = lines.lines[-1]
    assert message == "The server refused the token of the client 'shop' (invalid_token). The second try: succeeded."
    assert extras == {
        "event": "reauthentication",
        "client": "shop",
        "status": 401,
        "reason": "invalid_token",
        "outcome": "succeeded",
    }
    assert span == span_id(recorder, REAUTHENTICATE.name)


async def test_a_hold_back_is_a_line_when_it_begins_and_each_call_that_meets_it_is_one_of_debugging(
    world: World, recorder: Recorder, lines: Lines
) -> None:
    server = Server(world, token=lambda _: world.library.Response(401, json={"error": "invalid_client"}))
    client = world.client(server, **recorder.options)
    for _ in range(3):
        with pytest.raises(PrioError):
            await client.get()
    assert [extras["event"] for _, extras, _ in lines.lines] == ["token.fetch", "hold_back", "rejection", "rejection"]
    assert lines.levels == [logging.WARNING, logging.WARNING, logging.DEBUG, logging.DEBUG]
    (fetch,), (hold_back,) = lines.of("token.fetch"), lines.of("hold_back")
    assert fetch["outcome"] == "invalid_client"
    assert hold_back == {"event": "hold_back", "client": "shop", "duration": 10.0}
    assert lines.of("rejection") == [{"event": "rejection", "client": "shop", "reason": "held_back"}] * 2
    assert {span for _, _, span in lines.lines[:2]} == {span_id(recorder, FETCH.name)}


@pytest.mark.parametrize(
    ("url", "reason"), [("http://api.example/?key=k3y", "plain_http"), ("https://elsewhere.example/?key=k3y", "foreign_origin")]
)
async def test_a_refused_request_is_a_line(world: World, recorder: Recorder, lines: Lines, url: str, reason: str) -> None:
    client = world.client(Server(world), settings=settings(foreign_origins="refuse"), **recorder.options)
    with pytest.raises(PrioError):
        await client.get(url)
    ((message, extras, _),) = lines.lines
    assert extras == {"event": "rejection", "client": "shop", "reason": reason}
    assert lines.levels == [logging.WARNING]
    assert "k3y" not in message


async def test_what_a_server_says_is_cut_to_what_may_be_repeated(world: World, recorder: Recorder, lines: Lines) -> None:
    nasty = "no\r\nsuch\x1b[31m client\u202e " + "x" * 10_000
    document = {"error": "invalid_client", "error_description": nasty}
    with pytest.raises(PrioError):
        await world.client(Server(world, token=lambda _: world.library.Response(401, json=document)), **recorder.options).get()
    for message, _, _ in lines.lines:
        assert message.isascii()
        assert message.isprintable()
        assert len(message) < 800


async def test_nothing_is_made_up_where_nobody_listens(world: World, recorder: Recorder, lines: Lines) -> None:
    logging.getLogger("prio_middleware").setLevel(logging.ERROR)
    await world.client(Server(world), **recorder.options).get()
    assert lines.lines == []


PROGRAM = """
import logging, sys
from prio_middleware.telemetry.log import log

if "configured" in sys.argv:
    logging.basicConfig(format="%(message)s")
log(logging.WARNING, "A fetch %s", "failed", event="token.fetch")
"""


@pytest.mark.parametrize(("mode", "written"), [("configured", "A fetch failed\n"), ("bare", "")])
def test_an_application_that_set_up_no_logging_is_not_written_to(mode: str, written: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr == written
