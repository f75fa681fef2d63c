"""One slow call, traced: the token is revoked, the token endpoint stumbles once, and the call succeeds all the same."""

from __future__ import annotations

import ssl
from typing import Any

import httpx
from opentelemetry import trace

from ..httpx import client
from .spans import KeptSpan, SpanBook
from .stage import PRODUCT, Stage


class Traced(httpx.BaseTransport):
    """Makes a span of each HTTP request, as OpenTelemetry's instrumentation of httpx does.

    Args:
        inner: what sends.
        book: where spans are kept.
    """

    def __init__(self, inner: httpx.BaseTransport, book: SpanBook) -> None:
        self._inner = inner
        self._book = book

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        span = self._book.start_span(f"{request.method} {request.url.path.rpartition('/distributor')[2]}")
        with trace.use_span(span, end_on_exit=True):
            response = self._inner.handle_request(request)
            span.set_attribute("http.response.status_code", response.status_code)
        return response

    def close(self) -> None:
        """Close what sends."""
        self._inner.close()


def slow_call(stage: Stage) -> list[KeptSpan]:
    """Make the call, and return its spans in the order in which they began."""
    stage.make_ready(limits=True)
    book = SpanBook()
    settings = stage.settings(name="traced")
    options: dict[str, Any] = {"tracer_provider": book}
    context = ssl.create_default_context(cafile=settings.ca_file)
    with client(settings=settings, transport=Traced(httpx.HTTPTransport(verify=context), book), **options) as prio:
        prio.get(PRODUCT)
        stage.admin.revoke()
        stage.admin.fail_tokens("bad_gateway")
        book.spans.clear()
        with trace.use_span(book.start_span("your call"), end_on_exit=True):
            prio.get(PRODUCT)
    return book.spans
