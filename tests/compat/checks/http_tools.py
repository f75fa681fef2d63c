"""Retries, caching, observability, event loops and other transports."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.compat.local_api import LocalAPI
from tests.compat.table import check

RETRIES = "Retries, limits and caching"
WATCHING = "Observability"
LOOPS = "Event loops and transports"


def _flaky(api: LocalAPI) -> list[int]:
    """Let the token endpoint be down for the first call. Return a list of attempts."""
    api.is_down = True
    return []


@check(
    "tenacity",
    RETRIES,
    "around the call: `retry=retry_if_exception_type(httpx.TransportError)`; the wait may use `error.retry_after`",
)
def tenacity(api: LocalAPI) -> None:
    import httpx
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

    from prio_middleware.httpx import client

    attempts = _flaky(api)

    def pause(state: object) -> float:
        attempts.append(1)
        api.is_down = False
        return state.outcome.exception().retry_after or 0.1

    retrying = Retrying(stop=stop_after_attempt(5), wait=pause, retry=retry_if_exception_type(httpx.TransportError))
    with client(settings=api.settings()) as inner:
        assert retrying(inner.get, "/orders").status_code == 200
    assert attempts


@check("stamina", RETRIES, "around the call: `@stamina.retry(on=httpx.HTTPError)`")
def stamina(api: LocalAPI) -> None:
    import httpx
    import stamina

    from prio_middleware.httpx import client

    attempts = _flaky(api)
    with client(settings=api.settings()) as inner:

        @stamina.retry(on=httpx.HTTPError, attempts=5, wait_initial=1.0)
        def orders() -> int:
            attempts.append(1)
            try:
                return inner.get("/orders").status_code
            finally:
                api.is_down = False

        assert orders() == 200
    assert len(attempts) > 1


@check("backoff", RETRIES, "around the call: `@backoff.on_exception(backoff.expo, httpx.TransportError)`")
def backoff(api: LocalAPI) -> None:
    import backoff
    import httpx

    from prio_middleware.httpx import client

    attempts = _flaky(api)
    with client(settings=api.settings()) as inner:

        @backoff.on_exception(backoff.constant, httpx.TransportError, interval=1.5, max_tries=4)
        def orders() -> int:
            attempts.append(1)
            try:
                return inner.get("/orders").status_code
            finally:
                api.is_down = False

        assert orders() == 200
    assert len(attempts) > 1


@check("aiolimiter", RETRIES, "around the call: `async with limiter`; the budget guard counts token requests, too")
def aiolimiter(api: LocalAPI) -> None:
    from aiolimiter import AsyncLimiter

    from prio_middleware.httpx import async_client

    async def main() -> None:
        limiter = AsyncLimiter(100, 1)
        async with async_client(settings=api.settings()) as inner:

            async def orders() -> int:
                async with limiter:
                    return (await inner.get("/orders")).status_code

            assert await asyncio.gather(*(orders() for _ in range(20))) == [200] * 20

    asyncio.run(main())
    assert api.token_requests == 1


@check("hishel", RETRIES, "outside: `CacheTransport(next_transport=transport(), storage=...)`, with a storage for each client")
def hishel(api: LocalAPI) -> None:
    import httpx
    from hishel import SqliteStorage
    from hishel.httpx import CacheTransport

    from prio_middleware.httpx import transport

    with tempfile.TemporaryDirectory() as folder:
        storage = SqliteStorage(database_path=str(Path(folder) / "cache.db"))
        inner = CacheTransport(next_transport=transport(settings=api.settings()), storage=storage)
        with httpx.Client(transport=inner, base_url=api.url) as cached:
            assert [cached.get("/orders").json() for _ in range(3)] == [{"path": "/orders"}] * 3
        storage.close()
        assert api.token.encode() not in (Path(folder) / "cache.db").read_bytes()
    assert len(api.calls) == 1


@check(
    "opentelemetry-instrumentation-httpx",
    WATCHING,
    "`HTTPXClientInstrumentor().instrument()` at any time, also after clients are made",
)
def instrumentation(api: LocalAPI) -> None:
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from prio_middleware.httpx import client

    seen, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(seen))
    with client(settings=api.settings()) as inner:
        HTTPXClientInstrumentor().instrument(tracer_provider=provider)
        assert inner.get("/orders").status_code == 200
    spans = seen.get_finished_spans()
    assert [span.name for span in spans].count("GET") == 1
    assert not any(api.token in str(dict(span.attributes)) for span in spans)


@check("logfire", WATCHING, "`logfire.instrument_httpx()`; leave `capture_headers` off, or the token is recorded")
def logfire(api: LocalAPI) -> None:
    import logfire
    from logfire.testing import TestExporter
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from prio_middleware.httpx import client

    seen = TestExporter()
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[SimpleSpanProcessor(seen)])
    logfire.instrument_httpx()
    with client(settings=api.settings()) as inner:
        assert inner.get("/orders").status_code == 200
    text = str(seen.exported_spans_as_dict())
    assert "/orders" in text
    assert "token fetch" in text or "prio_middleware" in text
    assert api.token not in text


@check(
    "sentry-sdk",
    WATCHING,
    "`sentry_sdk.init(include_local_variables=False)`, because frames of the HTTP library hold the headers",
)
def sentry(api: LocalAPI) -> None:
    import json

    import sentry_sdk

    from prio_middleware import TokenError
    from prio_middleware.httpx import client

    events: list[object] = []
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        include_local_variables=False,
        before_send=lambda event, _: events.append(event),
        traces_sample_rate=1.0,
        before_send_transaction=lambda event, _: events.append(event),
    )
    with client(settings=api.settings()) as inner, sentry_sdk.start_transaction(name="shop"):
        assert inner.get("/orders").status_code == 200
    api.is_down, secret = True, str(2**100)
    with client(settings=api.settings(client_secret=secret)) as inner:
        try:
            inner.get("/orders")
        except TokenError as error:
            sentry_sdk.capture_exception(error)
    text = json.dumps(events, default=str)
    assert len(events) == 2
    assert "/orders" in text
    assert secret not in text
    assert "Bearer token-" not in text


@check(
    "structlog",
    WATCHING,
    "`ProcessorFormatter` renders the records of the logger `prio_middleware`, with `prio_client` as a field",
)
def structlog(api: LocalAPI) -> None:
    import io
    import json
    import logging

    import structlog

    from prio_middleware.httpx import client

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    shared = [structlog.stdlib.ExtraAdder(), structlog.stdlib.add_log_level]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=structlog.processors.JSONRenderer(), foreign_pre_chain=shared)
    )
    logger = logging.getLogger("prio_middleware")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    with client(settings=api.settings()) as inner:
        assert inner.get("/orders").status_code == 200
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines
    assert all(line["prio_client"] == "default" for line in lines if "prio_client" in line)
    assert api.token not in stream.getvalue()


@check("uvloop", LOOPS, "`uvloop.run(main())`")
def uvloop(api: LocalAPI) -> None:
    import uvloop

    from prio_middleware.httpx import async_client

    async def main() -> None:
        async with async_client(settings=api.settings()) as inner:
            answers = await asyncio.gather(*(inner.get("/orders") for _ in range(20)))
            assert {answer.status_code for answer in answers} == {200}

    uvloop.run(main())
    assert api.token_requests == 1


@check("trio", LOOPS, "`trio.run(main)`")
def trio(api: LocalAPI) -> None:
    import trio

    from prio_middleware.httpx import async_client

    async def main() -> None:
        async with async_client(settings=api.settings()) as inner, trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(inner.get, "/orders")

    trio.run(main)
    assert (api.token_requests, len(api.calls)) == (1, 20)


@check("gevent", LOOPS, "`monkey.patch_all()` before any import")
def gevent(api: LocalAPI) -> None:
    import os
    import subprocess
    import sys

    script = """
from gevent import monkey
monkey.patch_all()
import gevent
from prio_middleware.httpx import client
with client() as prio:
    jobs = [gevent.spawn(lambda: prio.get("/orders").status_code) for _ in range(20)]
    gevent.joinall(jobs, timeout=20, raise_error=True)
    assert {job.value for job in jobs} == {200}
"""
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **api.environment()}, check=True, timeout=60)
    assert api.token_requests == 1


@check("httpx-aiohttp", LOOPS, "`async_client(transport=AiohttpTransport(), token_transport=AiohttpTransport())`")
def httpx_aiohttp(api: LocalAPI) -> None:
    import httpx_aiohttp

    from prio_middleware.httpx import async_client

    async def main() -> None:
        async with async_client(settings=api.settings(), transport=httpx_aiohttp.AiohttpTransport()) as inner:
            assert (await inner.get("/orders")).status_code == 200

    asyncio.run(main())


@check("httpx-socks", LOOPS, "`client(transport=SyncProxyTransport.from_url(...))`")
def httpx_socks(api: LocalAPI) -> None:
    from httpx_socks import SyncProxyTransport

    from prio_middleware.httpx import client
    from tests.compat.socks import socks_proxy

    with socks_proxy() as proxy:
        with client(settings=api.settings(), transport=SyncProxyTransport.from_url(proxy.url)) as inner:
            assert inner.get("/orders").status_code == 200
        assert proxy.connections >= 1


@check(
    "httpx-auth",
    LOOPS,
    "for APIs with other schemes: `client(name).get(url, auth=HeaderApiKey(...))` adds its header beside the token",
)
def httpx_auth(api: LocalAPI) -> None:
    from httpx_auth import HeaderApiKey

    from prio_middleware.httpx import client

    with client(settings=api.settings()) as inner:
        assert inner.get("/orders", auth=HeaderApiKey("key", "X-Key")).status_code == 200
