"""The face for httpx: transports and clients whose requests carry a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Unpack

import httpx

from .transports.asynchronous import AsyncShell
from .transports.library import HTTPLibrary
from .transports.synchronous import SyncShell

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .settings import ClientSettings, Settings
    from .transports.options import ClientOptions

__all__ = ["AsyncAuthTransport", "AuthTransport", "async_client", "client"]


class AuthTransport(SyncShell[httpx.Request, httpx.Response], httpx.BaseTransport):
    __doc__ = SyncShell.__doc__

    library: ClassVar[HTTPLibrary] = httpx


class AsyncAuthTransport(AsyncShell[httpx.Request, httpx.Response], httpx.AsyncBaseTransport):
    __doc__ = AsyncShell.__doc__

    library: ClassVar[HTTPLibrary] = httpx


def client(
    name: str | None = None,
    *,
    settings: Settings | ClientSettings | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    **options: Unpack[ClientOptions],
) -> httpx.Client:
    """An ordinary ``httpx.Client`` whose requests go through the pipeline, with the base URL set.

    Args:
        name: which of the configured clients; the default one if left out.
        settings: where its settings are; the environment and the files if left out.
        tracer_provider: OpenTelemetry's, for spans; the global one if left out, which may be set later.
        meter_provider: the same for metrics.
        **options: any option of ``httpx.Client`` but ``auth`` and ``base_url``. Those of its transport (``verify``, ``http2``,
            ``proxy``, ...) reach the inner transport.

    Raises:
        ConfigurationError: the settings are incomplete or wrong, or an option would route around the pipeline.
    """
    from .build import plan
    from .transports.assembly import assemble

    made = plan(name, settings, httpx)

    def wrap(inner: httpx.BaseTransport) -> AuthTransport:
        return AuthTransport(
            inner,
            pipeline=made.pipeline,
            name=made.name,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )

    own = assemble(options, made.options, httpx.HTTPTransport, wrap, client=made.name)
    return httpx.Client(base_url=made.base_url, **own)


def async_client(
    name: str | None = None,
    *,
    settings: Settings | ClientSettings | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    **options: Unpack[ClientOptions],
) -> httpx.AsyncClient:
    """The same as :func:`client`, as an ordinary ``httpx.AsyncClient`` for asyncio and trio."""
    from .build import plan
    from .transports.assembly import assemble

    made = plan(name, settings, httpx)

    def wrap(inner: httpx.AsyncBaseTransport) -> AsyncAuthTransport:
        return AsyncAuthTransport(
            inner,
            pipeline=made.pipeline,
            name=made.name,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )

    own = assemble(options, made.options, httpx.AsyncHTTPTransport, wrap, client=made.name)
    return httpx.AsyncClient(base_url=made.base_url, **own)
