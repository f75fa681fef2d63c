"""Cost of telemetry to a call with a cached token: ratios of interleaved runs of the same client, with the SDK and without.

    python -m benchmarks.telemetry [--rounds 60] [--calls 400]

With: both signals on, spans in a batch to an exporter that drops them, metrics collected every half second. Without: providers
that do nothing, which is what a process has that never set up the SDK. What is counted either way is measured by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import statistics
import time
import timeit
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    InMemoryMetricReader,
    MetricExporter,
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NoOpTracerProvider

from benchmarks.overhead import PATH, Timed, answer, interval, ratios, settings
from prio_middleware.telemetry.counters import ClientCounters

OFF: dict[str, Any] = {"tracer_provider": NoOpTracerProvider(), "meter_provider": NoOpMeterProvider()}


class Dropped(SpanExporter):
    """Takes spans and drops them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Drop them."""
        return SpanExportResult.SUCCESS


class DroppedMetrics(MetricExporter):
    """Takes metrics and drops them."""

    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any) -> MetricExportResult:
        """Drop them."""
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """There is nothing to flush."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """There is nothing to shut down."""


def sdk() -> dict[str, Any]:
    """Providers of the SDK, both at work."""
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(BatchSpanProcessor(Dropped()))
    reader = PeriodicExportingMetricReader(DroppedMetrics(), export_interval_millis=500)
    return {"tracer_provider": tracer_provider, "meter_provider": MeterProvider([reader, InMemoryMetricReader()])}


def sync_batch(face: Any, library: Any, options: dict[str, Any], name: str) -> Timed:
    """A timed batch of sync calls."""
    chosen = settings(name=name)
    client = face.client(settings=chosen, transport=library.MockTransport(answer(library)), **options)

    def batch(calls: int) -> float:
        get = client.get
        start = time.perf_counter()
        for _ in range(calls):
            get(PATH)
        return time.perf_counter() - start

    return batch


def async_batch(face: Any, library: Any, options: dict[str, Any], name: str, loop: asyncio.AbstractEventLoop) -> Timed:
    """A timed batch of async calls."""
    chosen = settings(name=name)
    client = face.async_client(settings=chosen, transport=library.MockTransport(answer(library)), **options)

    async def run(calls: int) -> float:
        get = client.get
        start = time.perf_counter()
        for _ in range(calls):
            await get(PATH)
        return time.perf_counter() - start

    return lambda calls: loop.run_until_complete(run(calls))


def counting() -> float:
    """Seconds that the counting of one call takes, by itself."""
    counters = ClientCounters("benchmark")
    acquired, answered, status, bare = counters.acquisitions, counters.answered, 200, False
    times = 200_000

    def count() -> None:
        acquired["cached"] += 1
        if status in answered and not bare:
            answered[status] += 1

    def nothing() -> None: ...

    def fastest(function: Callable[[], None]) -> float:
        return min(timeit.repeat(function, number=times, repeat=7)) / times

    return fastest(count) - fastest(nothing)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="pairs of batches")
    parser.add_argument("--calls", type=int, default=400, help="calls in a batch")
    given = parser.parse_args()
    on, loop = sdk(), asyncio.new_event_loop()
    counted, slowest = counting(), 0.0
    print(f"{'':14}{'off':>10}{'on':>11}{'ratio':>8}   95 % interval of the median ratio")
    for name in ("httpx", "httpx2"):
        library, face = importlib.import_module(name), importlib.import_module(f"prio_middleware.{name}")
        pairs = {
            "sync": (sync_batch(face, library, on, "on"), sync_batch(face, library, OFF, "off")),
            "async": (async_batch(face, library, on, "on", loop), async_batch(face, library, OFF, "off", loop)),
        }
        for colour, (with_sdk, without) in pairs.items():
            for warm in (with_sdk, without):
                warm(given.calls)
            gc.collect()
            gc.freeze()
            measured, mine, theirs = ratios(with_sdk, without, given.rounds, given.calls)
            low, high = interval(measured)
            slowest = max(slowest, counted / theirs)
            print(
                f"{name + ' ' + colour:14}{theirs * 1e6:8.1f} µs{mine * 1e6:8.1f} µs{statistics.median(measured):8.3f}"
                f"   {low:.3f} to {high:.3f}",
                flush=True,
            )
    loop.close()
    print(f"\nCounting, with or without an SDK: {counted * 1e9:.0f} ns a call, at most {slowest:.2%} of one.")
    for provider in on.values():
        provider.shutdown()


if __name__ == "__main__":
    main()
