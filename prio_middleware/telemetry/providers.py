"""Whose OpenTelemetry is used: the providers that a client was given, else the global ones. Both may be set late."""

from __future__ import annotations

import functools
from collections.abc import Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import SpanContext, Tracer, TracerProvider


@dataclass(frozen=True, slots=True, eq=False)
class Telemetry:
    """The providers that a client was given; None: the global one."""

    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None

    @contextmanager
    def in_use(self) -> Generator[None]:
        """What is recorded in here goes to these providers. Callers of one token provider may have different ones."""
        token = _in_use.set(self)
        try:
            yield
        finally:
            with suppress(ValueError):  # A coroutine that is dropped half way ends in somebody else's context.
                _in_use.reset(token)

    def makes_spans(self) -> bool:
        """Whether anybody could see a span: without an SDK, ten thousand waiting calls need not make one each."""
        from opentelemetry import trace

        return self.tracer_provider is not None or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)

    def tracer(self) -> Tracer:
        """Makes the spans."""
        from opentelemetry import trace

        from .names import SCHEMA_URL, SCOPE

        return trace.get_tracer(SCOPE, version(), self.tracer_provider, SCHEMA_URL)


GLOBAL = Telemetry()
_in_use: ContextVar[Telemetry] = ContextVar("prio_middleware.telemetry", default=GLOBAL)


class Trigger(NamedTuple):
    """What started a fetch that is made beside its caller, and outlives the call."""

    telemetry: Telemetry
    span: SpanContext


def telemetry() -> Telemetry:
    """What the present caller uses."""
    return _in_use.get()


def trigger() -> Trigger:
    """The present caller, as what started something."""
    from opentelemetry import trace

    return Trigger(telemetry(), trace.get_current_span().get_span_context())


@contextmanager
def attached(context: Context) -> Generator[None]:
    """Make ``context`` the current one, in a function or a coroutine: never across the ``yield`` of a generator."""
    from opentelemetry import context as current

    token = current.attach(context)
    try:
        yield
    finally:
        # A coroutine that is dropped half way ends in somebody else's context, which is left alone.
        if current.get_current() is context:
            current.detach(token)


@functools.cache
def version() -> str:
    """The version of this library, as it is installed."""
    from importlib.metadata import PackageNotFoundError, version

    with suppress(PackageNotFoundError):
        return version("prio-middleware")
    return ""
