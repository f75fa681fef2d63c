"""One hunt: everything that is said and done meanwhile is kept, and looked through at the end."""

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

from prio_middleware import Secret, build
from prio_middleware.settings import ClientSettings
from prio_middleware.telemetry import metrics as instruments
from prio_middleware.testing.logs import LogKeeper
from tests.e2e.leak import printed
from tests.hunt import canaries, places
from tests.hunt.server import Call, Elsewhere, Hostile, listening
from tests.transports.world import Caller, World


class Leak(NamedTuple):
    """A secret that was seen."""

    place: str
    where: str
    how: str


class Ground:
    """Where one feature is hunted through.

    Args:
        world: the kind of client.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.server, self.elsewhere = Hostile(), Elsewhere()
        self.folder = Path()
        self._secrets = dict.fromkeys(
            (canaries.SECRET, canaries.NEW_SECRET, canaries.PASSWORD, canaries.PRIVATE_KEY, *map(_token, range(40)))
        )
        self._texts: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)
        self._logs = LogKeeper()
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
            "hold_back": 0,
            "token_deadline": 5.0,
            "token_timeout": 5.0,
        }
        return {name: value for name, value in {**values, **changes}.items() if value is not None}

    @property
    def ca_file(self) -> Path:
        return self.folder / "ca.pem"

    def client(self, settings: ClientSettings | None = None, **options: Any) -> Caller:
        """A client of this kind, to be closed by the caller."""
        make = self.world.face.client if self.world.is_sync else self.world.face.async_client
        return Caller(make(settings=settings or self.settings(), **options))

    def watch(self, secret: str) -> None:
        """Look for this one too."""
        self._secrets[secret] = None

    async def failing(self, client: Caller, url: str = "/products", **options: Any) -> BaseException:
        """The error that a call ends with."""
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
            await client.get(url, **options)
        self.note_error(caught.value)
        return caught.value

    def note(self, place: str, where: str, text: object) -> None:
        """Keep a text that could be seen in ``place``."""
        self._texts[place][where, str(text)] = None

    def note_error(self, error: BaseException) -> None:
        """Keep an error, and how it is pickled and copied."""
        for where, text in (*printed(error), *places.dumped([error])):
            self.note("errors", where, text)

    def look(self) -> None:
        """Look at what there is at this moment only: what is alive, and which processes run."""
        things = places.alive()
        for place, texts in (
            ("repr", places.shown(things)),
            ("dumps", places.dumped(things)),
            ("processes", places.processes()),
        ):
            for where, text in texts:
                self.note(place, where, text)

    def leaks(self) -> list[Leak]:
        """What was seen of a secret. It says where, and does not repeat it."""
        traces = canaries.traces_of(self._secrets)
        return [
            Leak(place, where, how)
            for place, texts in self._texts.items()
            for where, text in texts
            if (how := traces.find(text))
        ]

    def searched(self) -> dict[str, int]:
        """How many texts of each place were looked through."""
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
        """Whatever is made a secret is one: assertions too, and what is sent of a secret."""
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
        patch.setattr(instruments, "_global", [])
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
