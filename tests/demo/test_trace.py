from __future__ import annotations

import io
from typing import TYPE_CHECKING

from opentelemetry import trace
from rich.console import Console

from prio_middleware.demo.trace import SpanRecorder, slow_call, span_tree

if TYPE_CHECKING:
    from prio_middleware.demo.fixture import Fixture


def test_the_call_is_rejected_once_and_its_fetch_has_two_attempts(fixture: Fixture) -> None:
    spans = slow_call(fixture)
    path = "/products/1004"
    assert [(span.name, span.attributes.get("http.response.status_code")) for span in spans] == [
        ("your call", None),
        (f"GET {path}", 403),
        ("prio_middleware.reauthenticate", 403),
        ("prio_middleware.token.fetch", None),
        ("POST /oauth2/token", 502),
        ("POST /oauth2/token", 200),
        (f"GET {path}", 200),
    ]
    call, first, again, fetch, *posts, second = spans
    assert [span.parent for span in spans] == [0, call.id, call.id, again.id, fetch.id, fetch.id, again.id]
    assert all(call.began <= span.began <= span.ended <= call.ended for span in (first, second, *posts))
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_the_tree_shows_the_share_of_each_span() -> None:
    recorder = SpanRecorder()
    with trace.use_span(recorder.start_span("call", start_time=10**9)):
        recorder.get_tracer("any").start_span("prio_middleware.token.fetch", start_time=10**9).end(int(1.5e9))
    call, fetch = recorder.spans
    fetch.set_attribute("error.type", "503")
    call.end(2 * 10**9)
    file = io.StringIO()
    Console(file=file, width=80).print(span_tree(recorder.spans))
    assert file.getvalue() == (
        "call  1,000 ms ##########\n"
        "└── token.fetch  500 ms #####\n"
        "    error 503\n"
    )  # fmt: skip
