"""The call at the end of the demo: its spans, and the tree that is made of them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from opentelemetry import trace
from rich.console import Console

from prio_middleware.demo.slow_call import slow_call
from prio_middleware.demo.span_tree import span_tree
from prio_middleware.demo.spans import KeptSpan, SpanBook

if TYPE_CHECKING:
    from prio_middleware.demo.stage import Stage


def printed(spans: list[KeptSpan]) -> str:
    file = io.StringIO()
    Console(file=file, width=80).print(span_tree(spans))
    return file.getvalue()


def test_the_call_is_refused_once_and_its_fetch_has_two_attempts(stage: Stage) -> None:
    spans = slow_call(stage)
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


def test_the_tree_says_what_took_how_long() -> None:
    book = SpanBook()
    with trace.use_span(book.start_span("call", start_time=10**9)):
        book.start_span("prio_middleware.token.fetch", start_time=10**9).end(int(1.5e9))
    call, fetch = book.spans
    fetch.set_attribute("error.type", "503")
    call.end(2 * 10**9)
    assert printed(book.spans) == (
        "call  1,000 ms ##########\n"
        "└── token.fetch  500 ms #####\n"
        "    error 503\n"
    )  # fmt: skip


def test_a_call_that_took_no_time() -> None:
    book = SpanBook()
    book.get_tracer("any").start_span("call", start_time=5)
    assert printed(book.spans) == "call  0 ms ##########\n"
