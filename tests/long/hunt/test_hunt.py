"""No secret and no token is seen anywhere; and one that is put anywhere is found."""

from __future__ import annotations

import io
import logging
import ssl
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from opentelemetry import metrics, trace
from rich.console import Console

from prio_middleware import PrioError, TokenOptions
from prio_middleware.middleware.revocation.refusal import Refusal
from tests.long.e2e.leak import OURS
from tests.long.hunt import around
from tests.long.hunt.canaries import PRIVATE_KEY, SECRET, traces_of
from tests.long.hunt.context import HuntContext, Leak
from tests.long.hunt.features import FEATURES, Feature, hunt
from tests.long.hunt.places import PLACES
from tests.long.hunt.report import Report
from tests.redis_servers import BINARIES, serve
from tests.secret_forms import FORMS
from tests.transports.matrix import MatrixClient

HUNTS = [
    pytest.param(feature, matrix, id=f"{feature}-{matrix}")
    for turn, feature in enumerate(FEATURES)
    for matrix in [feature.client_kinds[turn % len(feature.client_kinds)]]
]
"""Each feature with one of its kinds of client; ``make leak-hunt`` has them all."""


@pytest.mark.parametrize(("feature", "matrix"), HUNTS)
def test_nothing_is_seen(feature: Feature, matrix: str) -> None:
    context = hunt(feature, matrix)
    assert context.leaks() == []
    assert feature.places <= context.searched().keys()


def test_every_place_is_searched() -> None:
    assert set().union(*(feature.places for feature in FEATURES)) | {"output"} == PLACES.keys()


def test_every_form_is_found(subtests: pytest.Subtests) -> None:
    traces = traces_of([SECRET, PRIVATE_KEY])
    for secret in (SECRET, max(PRIVATE_KEY.splitlines(), key=len)):
        for form, write in FORMS.items():
            with subtests.test(form, secret=secret):
                assert traces.find(f"<{write(secret)}>")


def in_a_log(context: HuntContext) -> None:
    logging.getLogger("anybody").debug("said", extra={"more": SECRET})


def in_a_span(context: HuntContext) -> None:
    trace.get_tracer("planted").start_span("call", attributes={"more": SECRET}).end()


def in_a_metric(context: HuntContext) -> None:
    metrics.get_meter("planted").create_counter("calls").add(1, {"more": SECRET})


def in_a_repr(context: HuntContext) -> None:
    options = TokenOptions(scope=SECRET)
    context.look()
    del options


def in_a_dump(context: HuntContext) -> None:
    error = Refusal(401, code=SECRET)
    context.look()
    del error


def in_a_cause(context: HuntContext) -> None:
    error = PrioError("outside")
    error.__cause__ = PrioError("in between")
    error.__cause__.__context__ = ValueError(SECRET)
    context.note_error(error)


def in_a_hidden_context(context: HuntContext) -> None:
    error = PrioError("outside")
    error.__context__ = ValueError(SECRET)
    error.__cause__ = PrioError("another")
    context.note_error(error)


def in_a_note(context: HuntContext) -> None:
    error = PrioError("outside")
    error.add_note(f"It was {SECRET}.")
    context.note_error(error)


def in_a_group(context: HuntContext) -> None:
    context.note_error(ExceptionGroup("two", [ValueError("one"), ValueError(SECRET)]))


def in_an_attribute(context: HuntContext) -> None:
    error = PrioError("outside")
    error.__dict__["_request"] = httpx.Request("GET", "https://api.example", headers={"Authorization": SECRET})
    context.note_error(error)


def in_a_frame_of_ours(context: HuntContext) -> None:
    """As if a file of the library held it in a variable."""
    source = "def leaking(text):\n    kept = [text]\n    raise ValueError('elsewhere')\n"
    names: dict[str, Callable[[str], None]] = {}
    exec(compile(source, str(OURS / "planted.py"), "exec"), names)
    with pytest.raises(ValueError, match="elsewhere") as caught:
        names["leaking"](SECRET)
    context.note_error(caught.value)


def in_the_output(context: HuntContext) -> None:
    sys.stdout.write(SECRET)


def on_a_command_line(context: HuntContext) -> None:
    _run_beside(context, [sys.executable, "-c", "input()", SECRET], {})


def in_an_environment(context: HuntContext) -> None:
    _run_beside(context, [sys.executable, "-c", "input()"], {"MORE": SECRET})


def _run_beside(context: HuntContext, command: list[str], environment: dict[str, str]) -> None:
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as child:
        context.look()
        child.communicate(b"\n")


def at_another_origin(context: HuntContext) -> None:
    trusted = ssl.create_default_context(cafile=str(context.ca_file))
    httpx.get(context.elsewhere.url, headers={"More": SECRET.encode().hex()}, verify=trusted)


def in_redis(context: HuntContext) -> None:
    with serve(BINARIES[0], context.folder) as redis:
        redis.admin().set("key", SECRET)
        around.note_redis(context, redis.admin())


def in_a_file(context: HuntContext) -> None:
    path = context.folder / "tokens"
    path.write_text(SECRET)
    around.note_file(context, path)


def on_a_page(context: HuntContext) -> None:
    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [SECRET.encode()]

    with httpx.Client(transport=httpx.WSGITransport(app), base_url="http://testserver") as browser:
        around.note_page(context, browser.get, "/status/")


PLANTS = {
    in_a_log: "logs",
    in_a_span: "spans",
    in_a_metric: "metrics",
    in_a_repr: "repr",
    in_a_dump: "dumps",
    in_a_cause: "errors",
    in_a_hidden_context: "errors",
    in_a_note: "errors",
    in_a_group: "errors",
    in_an_attribute: "errors",
    in_a_frame_of_ours: "errors",
    in_the_output: "output",
    on_a_command_line: "processes",
    in_an_environment: "processes",
    at_another_origin: "elsewhere",
    in_redis: "redis",
    in_a_file: "files",
    on_a_page: "pages",
}


@pytest.mark.parametrize(("plant", "place"), PLANTS.items(), ids=[plant.__name__ for plant in PLANTS])
def test_what_is_planted_is_found(plant: Callable[[HuntContext], None], place: str) -> None:
    with HuntContext(MatrixClient("httpx-sync")) as context:
        plant(context)
    assert place in {leak.place for leak in context.leaks()}


def test_something_is_planted_in_every_place() -> None:
    assert set(PLANTS.values()) == PLACES.keys()


def test_the_table_says_what_was_found() -> None:
    said = io.StringIO()
    report = Report(Console(file=said, width=200))
    report.add("one", "httpx-sync", {"logs": 3}, [])
    report.add("two", "httpx-sync", {"pages": 2}, [Leak("pages", "/ready", "in base64")])
    assert report.close() == 1
    assert "LEAK  two, httpx-sync: in pages, /ready, in base64" in said.getvalue()
    assert "1 leak." in said.getvalue()
    assert Report(Console(file=io.StringIO())).close() == 0
