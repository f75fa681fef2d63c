"""Telemetry against the sandbox: it shows no secret, and fits with the HTTP libraries' own instrumentation."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation import httpx as instrumentation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, InMemoryMetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from prio_middleware import PrioError, build
from prio_middleware.telemetry.names import FETCH, REAUTHENTICATE
from prio_middleware.telemetry.snapshot import snapshot
from prio_middleware.testing.no_secrets import LogRecorder, traces_of
from tests.long.e2e.client_kind import FORBIDDEN, PRODUCT, SOME_OVER_TLS, SOON, ClientKind
from tests.telemetry.helpers import Recorder

pytestmark = pytest.mark.anyio
OVER_TLS = pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)


@pytest.fixture(autouse=True)
def _forget() -> None:
    build.forget()


def secrets_of(kind: ClientKind) -> set[str]:
    """The client's secret, and the credentials and tokens that the sandbox was sent."""
    sent = {seen.authorization.partition(" ")[2] for seen in kind.admin.requests() if seen.authorization}
    return {kind.account.client_secret, *sent}


@pytest.fixture
def logs() -> Iterator[LogRecorder]:
    keeper = LogRecorder()
    keeper.start()
    yield keeper
    keeper.stop()


def leaks(texts: dict[str, str], secrets: set[str]) -> list[str]:
    """Return the names of texts that hold a secret, an encoding, a part or a hash of one."""
    traces = traces_of(secrets)
    return [kind for kind, text in texts.items() if traces.find(text)]


class Exporters:
    """Everything that can be told, told."""

    def __init__(self) -> None:
        self.spans, self.metrics = io.StringIO(), io.StringIO()
        self.registry = CollectorRegistry()
        self.reader = InMemoryMetricReader()
        prometheus = PrometheusMetricReader()
        self._prometheus = prometheus
        console = PeriodicExportingMetricReader(ConsoleMetricExporter(out=self.metrics), export_interval_millis=3_600_000)
        self.meter_provider = MeterProvider([self.reader, console, prometheus], shutdown_on_exit=False)
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.finished = InMemorySpanExporter()
        for exporter in (ConsoleSpanExporter(out=self.spans), self.finished):
            self.tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))

    def texts(self) -> dict[str, str]:
        data = self.reader.get_metrics_data()
        assert data is not None
        scraped = generate_latest().decode()
        self.meter_provider.shutdown()
        return {
            "the spans": self.spans.getvalue(),
            "the metrics": self.metrics.getvalue(),
            "the metrics in memory": data.to_json(),
            "the spans that OTLP sends": str(encode_spans(self.finished.get_finished_spans())),
            "the metrics that OTLP sends": str(encode_metrics(data)),
            "what Prometheus gets": scraped,
        }


@OVER_TLS
async def test_nothing_recorded_holds_a_secret(kind: ClientKind, logs: LogRecorder) -> None:
    exporters = Exporters()
    options = {"tracer_provider": exporters.tracer_provider, "meter_provider": exporters.meter_provider}
    client = kind.make(kind.settings(name="leaky", **SOON), **options)
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(client.get, PRODUCT)
    kind.admin.revoke()
    await client.get(PRODUCT)
    await client.get(FORBIDDEN, extensions={"prio": {"params": {"hint": "s3cret-parameter"}}})
    with pytest.raises(PrioError):
        await client.get("http://elsewhere.example/?key=s3cret-parameter")
    kind.admin.revoke()
    kind.admin.fail_tokens("secret_echo", times=None)
    assert (await client.get(PRODUCT)).status_code == 403
    with pytest.raises(PrioError):
        await client.get(PRODUCT)
    await client.close()
    seen = snapshot(build.pipeline_for(kind.settings(name="leaky", **SOON)))
    texts = exporters.texts() | {"the snapshot": repr(seen), "the logs": "\n".join(text for _, text in logs.texts())}

    secrets = secrets_of(kind)
    assert len(secrets) >= 1 + 3
    assert seen.reauthentications["token_unavailable"]
    assert "invalid_client" in texts["the spans"]
    for place_searched, text in texts.items():
        assert "leaky" in text, place_searched
    assert leaks(texts, secrets | {"s3cret-parameter"}) == []


def test_the_search_finds_planted_secrets() -> None:
    """A search that finds nothing proves nothing."""
    secret = "kanarie-secret-token-123456"
    for text in (secret, base64.b64encode(secret.encode()).decode(), hashlib.sha256(secret.encode()).hexdigest()):
        assert leaks({"here": f"x {text} x"}, {secret})


INSTRUMENTORS: dict[str, Callable[[], Any]] = {
    "httpx": instrumentation.HTTPXClientInstrumentor,
    "httpx2": instrumentation.HTTPX2ClientInstrumentor,
}


@pytest.fixture
def instrumented(kind: ClientKind, recorder: Recorder) -> Iterator[Callable[[], None]]:
    """Switches the library's own instrumentation on."""
    instrumentor = INSTRUMENTORS[kind.matrix.library.__name__]()
    yield lambda: instrumentor.instrument(tracer_provider=recorder.tracer_provider, meter_provider=recorder.meter_provider)
    instrumentor.uninstrument()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.mark.pitfall(id="spans-below")
@OVER_TLS
async def test_the_http_span_of_a_token_request_is_a_child_of_the_fetch(
    kind: ClientKind, recorder: Recorder, instrumented: Callable[[], None]
) -> None:
    instrumented()
    client = kind.make(kind.settings(), **recorder.options)
    with recorder.tracer.start_as_current_span("call") as call:
        await client.get(PRODUCT)
    kind.admin.revoke()
    await client.get(PRODUCT)
    await client.close()
    http = [span for span in recorder.spans() if span.name in {"GET", "POST"}]
    fetches = [span.get_span_context() for span in recorder.spans(FETCH)]
    again = recorder.span(REAUTHENTICATE).get_span_context()

    assert [span.parent for span in http if span.name == "POST"] == fetches
    assert [span.parent for span in http if span.name == "GET"] == [call.get_span_context(), None, again]
    assert trace.get_current_span() is trace.INVALID_SPAN


@pytest.mark.pitfall(id="captured-headers")
@OVER_TLS
@pytest.mark.parametrize("sanitised", [True, False])
async def test_the_sanitiser_keeps_captured_headers_from_holding_the_token(
    kind: ClientKind,
    recorder: Recorder,
    instrumented: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    sanitised: bool,
) -> None:
    """As docs/how-to/observe.md has it. Without it the token is there: so the search looks in the right kind."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST", ".*")
    if sanitised:
        monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS", "authorization,cookie")
    instrumented()
    client = kind.make(kind.settings(), **recorder.options)
    await client.get(PRODUCT)
    await client.close()
    text = "\n".join(span.to_json() for span in recorder.spans())

    assert "http.request.header" in text
    assert bool(leaks({"the spans": text}, secrets_of(kind))) is not sanitised
