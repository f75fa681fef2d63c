"""The sandbox at the sizes that it is made for."""

from __future__ import annotations

import asyncio
import gzip
from urllib.parse import urlsplit

import httpx

from prio_middleware.sandbox import Sandbox, SandboxOptions

CONNECTIONS = 1000


def test_a_thousand_connections_at_once() -> None:
    with Sandbox(SandboxOptions(limits=False)) as sandbox:
        address = urlsplit(sandbox.url)
        context = sandbox.ssl_context()

        async def ping() -> bytes:
            reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=context)
            writer.write(b"GET /v3.8/distributor/system/ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
            status = await reader.readline()
            writer.transport.abort()
            return status

        async def all_at_once() -> list[bytes]:
            statuses = await asyncio.gather(*(ping() for _ in range(CONNECTIONS)))
            await asyncio.sleep(0)  # for the connections to be closed
            return statuses

        assert set(asyncio.run(all_at_once())) == {b"HTTP/1.1 200 OK\r\n"}
        assert sandbox.admin.counts().calls == CONNECTIONS


def test_the_bomb_unfolds_to_more_than_a_client_should_read() -> None:
    with Sandbox(tls=False) as sandbox:
        sandbox.admin.fail_tokens("gzip_bomb")
        with httpx.stream("POST", sandbox.token_url) as response:
            raw = b"".join(response.iter_raw())

    assert len(raw) < 200_000
    assert len(gzip.decompress(raw)) > 64 * 1024 * 1024
