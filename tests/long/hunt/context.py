"""Context of one hunt: it records all texts, and searches them for secrets at the end."""

# Private access: notes every Secret that is made, and gives each hunt global OpenTelemetry providers of its own.

from __future__ import annotations

import contextlib
import gc
import io
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import pytest
from opentelemetry import trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import _internal
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from prio_middleware import Secret, TokenError, build
from prio_middleware.settings import ClientSettings
from prio_middleware.telemetry import metrics as instruments
from prio_middleware.testing.no_secrets import LogRecorder
from tests.long.e2e.leak import printed
from tests.long.hunt import canaries, places
from tests.long.hunt.server import Call, Elsewhere, Hostile, listening
from tests.transports.library_privates import transport_of
from tests.transports.matrix import Caller, MatrixClient


class Leak(NamedTuple):
    """A secret that was seen."""

    place: str
    where: str
    how: str


class HuntContext:
    """Records of one feature.

    Args:
        matrix: the kind of client.
    """

    def __init__(self, matrix: MatrixClient) -> None:
        self.matrix = matrix
        self.server, self.elsewhere = Hostile(), Elsewhere()
        self.folder = Path()
        self._secrets = dict.fromkeys(
            (canaries.SECRET, canaries.NEW_SECRET, canaries.PASSWORD, canaries.PRIVATE_KEY, *map(_token, range(40)))
        )
        self._texts: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)
        self._logs = LogRecorder()
        self._spans, self._metrics = InMemorySpanExporter(), InMemoryMetricReader()
        self._output = io.StringIO()
        self._end = contextlib.ExitStack()

    def settings(self, **changes: Any) -> ClientSettings:
        return ClientSettings(**self.values(**changes))

    def values(self, **changes: Any) -> dict[str, Any]:
        values = {
            "preset": "rfc6749",
            "name": "shop",
            "base_url": self.server.url,
            "token_url": f"{self.server.url}/token",
            "client_id": "shop@example.com",
            "client_secret": canaries.SECRET,
            "ca_file": self.ca_file,
            "failure_cooldown": 0,
            "token_deadline": 5.0,
            "token_timeout": 5.0,
        }
        return {name: value for name, value in {**values, **changes}.items() if value is not None}

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def client(self, settings: ClientSettings | None = None, **options: Any) -> Caller:
        """A client of this kind, to be closed by the caller."""
        make = self.matrix.module.client if self.matrix.is_sync else self.matrix.module.async_client
        return Caller(make(settings=settings or self.settings(), **options))

    def watch(self, secret: str) -> None:
        """Look for this one too."""
        self._secrets[secret] = None

    async def failing(self, client: Caller, url: str = "/products", **options: Any) -> BaseException:
        """The error that a call ends with; and the next one, which is that of the pause after a failure."""
        errors: list[BaseException] = []
        while not errors or (len(errors) == 1 and isinstance(errors[0], TokenError)):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
                await client.get(url, **options)
            errors.append(caught.value)
            self.note_error(caught.value)
        self.end_pause(client)
        return errors[0]

    @staticmethod
    def end_pause(client: Caller) -> None:
        """Let the next call ask for a token at once: new credentials end the pause after a failure."""
        provider = transport_of(client.client).pipeline.provider
        if hasattr(provider, "replace_credentials"):
            provider.replace_credentials(provider.endpoint)

    def note(self, place: str, where: str, text: object) -> None:
        """Keep a text that could be seen in ``place``."""
        self._texts[place][where, str(text)] = None

    def note_error(self, error: BaseException) -> None:
        """Keep an error, and how it is pickled and copied."""
        for where, text in (*printed(error), *places.dumped([error])):
            self.note("errors", where, text)

    def look(self) -> None:
        """Record the objects that are alive now, and the running processes."""
        things = places.alive()
        for place, texts in (
            ("repr", places.shown(things)),
            ("dumps", places.dumped(things)),
            ("processes", places.processes()),
        ):
            for where, text in texts:
                self.note(place, where, text)

    def leaks(self) -> list[Leak]:
        """Return the leaks with their places, without the secrets."""
        traces = canaries.traces_of(self._secrets)
        return [
            Leak(place, where, how)
            for place, texts in self._texts.items()
            for where, text in texts
            if (how := traces.find(text))
        ]

    def searched(self) -> dict[str, int]:
        """Return the number of texts of each place."""
        return {place: len(texts) for place, texts in self._texts.items()}

    def __enter__(self) -> Self:
        enter = self._end.enter_context
        patch = enter(pytest.MonkeyPatch.context())
        self.folder = Path(enter(tempfile.TemporaryDirectory(prefix="hunt-")))
        self.ca_file.write_bytes(enter(listening(self.server)) + enter(listening(self.elsewhere)))
        self._note_secrets(patch)
        self._record_telemetry(patch)
        enter(contextlib.redirect_stdout(self._output))
        enter(contextlib.redirect_stderr(self._output))
        self._logs.start()
        self._end.callback(self._logs.stop)
        self._end.callback(build.forget)
        build.forget()
        places.residents()
        gc.collect()  # What other hunts left is theirs.
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._collect()
        self._end.close()

    def _note_secrets(self, patch: pytest.MonkeyPatch) -> None:
        """Record the content of every Secret, assertions and derived values included."""
        known, make = self._secrets, Secret.__init__

        def make_and_note(secret: Secret, text: str) -> None:
            make(secret, text)
            known[text] = None

        patch.setattr(Secret, "__init__", make_and_note)

    def _record_telemetry(self, patch: pytest.MonkeyPatch) -> None:
        tracer_provider = TracerProvider(shutdown_on_exit=False)
        tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self._registry = CollectorRegistry()
        readers = [self._metrics, PrometheusMetricReader(registry=self._registry)]
        patch.setattr(trace, "_TRACER_PROVIDER", tracer_provider)
        patch.setattr(instruments, "_instruments", WeakKeyDictionary())
        patch.setattr(_internal, "_METER_PROVIDER", MeterProvider(readers, shutdown_on_exit=False))

    def _collect(self) -> None:
        self.look()
        for where, text in (*self._logs.texts(), *_elsewhere(self.elsewhere.calls)):
            self.note("elsewhere" if where.startswith("a call") else "logs", where, text)
        for span in self._spans.get_finished_spans():
            self.note("spans", span.name, span.to_json(indent=None))
        data = self._metrics.get_metrics_data()
        if data:
            self.note("metrics", "in memory", data.to_json(indent=None))
            self.note("metrics", "Prometheus", generate_latest(self._registry).decode())
        if self._output.getvalue():
            self.note("output", "this process", self._output.getvalue())


def _token(serial: int) -> str:
    return canaries.TOKEN.format(serial=serial)


def _elsewhere(calls: list[Call]) -> Iterator[tuple[str, str]]:
    return ((f"a call to {call.path}", str(call)) for call in calls)
