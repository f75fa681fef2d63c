"""Export of this process's metrics to a collector. Also a configuration of gunicorn: ``gunicorn --config otlp.py``.

Environment: ``OTEL_SERVICE_NAME`` becomes the label ``job``; ``OTEL_EXPORTER_OTLP_ENDPOINT`` is the collector's URL,
``http://localhost:4318`` if left out; ``OTEL_METRIC_EXPORT_INTERVAL`` is the interval in milliseconds.
"""

from __future__ import annotations

import uuid

from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, Resource


def start() -> None:
    """Start the export. Call it once in each process, after a fork, because the exporting thread is not inherited."""
    resource = Resource.create({SERVICE_INSTANCE_ID: str(uuid.uuid4())})
    reader = PeriodicExportingMetricReader(OTLPMetricExporter())
    metrics.set_meter_provider(MeterProvider([reader], resource))


def post_fork(_arbiter: object, _worker: object) -> None:
    """Start the export in a worker of gunicorn."""
    start()
