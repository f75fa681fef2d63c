"""Takes metrics as a collector does: OTLP over HTTP, https://opentelemetry.io/docs/specs/otlp/#otlphttp."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import threading
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

Labels = frozenset[tuple[str, str]]


class Received:
    """The latest that each worker sent.

    Attributes:
        sent: what ``service.instance.id`` stands for is who sent it.
        jobs: values of ``service.name``.
        url: where to send.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.jobs: set[str] = set()
        self.sent: dict[str, list[Any]] = {}

    def take(self, body: bytes) -> None:
        """Keep a request."""
        request: Any = ExportMetricsServiceRequest.FromString(body)
        for resource in request.resource_metrics:
            about = dict(_texts(resource.resource.attributes))
            self.jobs.add(about["service.name"])
            self.sent[about["service.instance.id"]] = [metric for scope in resource.scope_metrics for metric in scope.metrics]

    def names(self) -> set[str]:
        """Of the metrics that came."""
        return {metric.name for metrics in self.sent.values() for metric in metrics}

    def count(self, name: str, worker: str, label: tuple[str, str]) -> int:
        """Return the value of a worker's counter for a label value."""
        counts: Counter[tuple[str, str]] = Counter()
        for metric in self.sent[worker]:
            for point in metric.sum.data_points if metric.name == name else []:
                counts.update(dict.fromkeys(_texts(point.attributes), point.as_int))
        return counts[label]


@contextlib.contextmanager
def otlp_receiver() -> Generator[Received]:
    """One that listens."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Not a word."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Received(f"http://127.0.0.1:{server.server_port}")
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield received
        finally:
            server.shutdown()
            serving.join()


def _texts(attributes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    return ((pair.key, pair.value.string_value or str(pair.value.int_value)) for pair in attributes)
