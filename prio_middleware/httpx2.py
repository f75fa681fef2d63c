"""The face for httpx2: transports and clients whose requests carry a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Unpack

import httpx2

from .transports.asynchronous import AsyncShell
from .transports.library import HTTPLibrary
from .transports.synchronous import SyncShell

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .settings import ClientSettings, Settings
    from .transports.options import ClientOptions

__all__ = ["AsyncAuthTransport", "AuthTransport", "async_client", "client"]


class AuthTransport(SyncShell[httpx2.Request, httpx2.Response], httpx2.BaseTransport):
    __doc__ = SyncShell.__doc__

    library: ClassVar[HTTPLibrary] = httpx2


class AsyncAuthTransport(AsyncShell[httpx2.Request, httpx2.Response], httpx2.AsyncBaseTransport):
    __doc__ = AsyncShell.__doc__

    library: ClassVar[HTTPLibrary] = httpx2


def client(
    name: str | None = None,
    *,
    settings: Settings | ClientSettings | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    **options: Unpack[ClientOptions],
) -> httpx2.Client:
    """An ordinary ``httpx2.Client`` whose requests go through the pipeline, with the base URL set.

    Args:
        name: which of the configured clients; the default one if left out.
        settings: where its settings are; the environment and the files if left out.
        tracer_provider: OpenTelemetry's, for spans; the global one if left out, which may be set later.
        meter_provider: the same for metrics.
        **options: any option of ``httpx2.Client`` but ``auth`` and ``base_url``. Those of its transport (``verify``, ``http2``,
            ``proxy``, ...) reach the inner transport.

    Raises:
        ConfigurationError: the settings are incomplete or wrong, or an option would route around the pipeline.
    """
    from .build import plan
    from .transports.assembly import assemble

    made = plan(name, settings, httpx2)

    def wrap(inner: httpx2.BaseTransport) -> AuthTransport:
        return AuthTransport(
            inner,
            pipeline=made.pipeline,
            name=made.name,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )

    own = assemble(options, made.options, httpx2.HTTPTransport, wrap, client=made.name)
    return httpx2.Client(base_url=made.base_url, **own)


def async_client(
    name: str | None = None,
    *,
    settings: Settings | ClientSettings | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    **options: Unpack[ClientOptions],
) -> httpx2.AsyncClient:
    """The same as :func:`client`, as an ordinary ``httpx2.AsyncClient`` for asyncio and trio."""
    from .build import plan
    from .transports.assembly import assemble

    made = plan(name, settings, httpx2)

    def wrap(inner: httpx2.AsyncBaseTransport) -> AsyncAuthTransport:
        return AsyncAuthTransport(
            inner,
            pipeline=made.pipeline,
            name=made.name,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )

    own = assemble(options, made.options, httpx2.AsyncHTTPTransport, wrap, client=made.name)
    return httpx2.AsyncClient(base_url=made.base_url, **own)
