"""A URL without TLS: the call is refused before a byte leaves, and before a token is asked for."""

from __future__ import annotations

import socket

from ... import httpx as with_httpx
from ...settings import ClientSettings
from ..event_loop import run_async
from ..scenario import TOKEN_REQUESTS, Observed, Scenario, exactly
from ..stage import Stage

CONNECTIONS = "connections to the port"
PATIENCE = 1.0  # seconds: nobody would answer there


def plain_http() -> Scenario:
    """With both libraries, sync and async."""
    return Scenario(
        "Plain HTTP",
        "sync + async, httpx + httpx2",
        "Four calls to a port on which somebody listens, without TLS.",
        (exactly(0, CONNECTIONS), exactly(0, TOKEN_REQUESTS)),
        _play,
    )


def _play(stage: Stage) -> Observed:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v3.8/distributor/products"
        settings = stage.settings(read_timeout=PATIENCE)
        refusals = [*_try_sync(settings, url), *run_async(_try_async, settings, url)]
        counted = {CONNECTIONS: waiting(listener), TOKEN_REQUESTS: stage.admin.counts().token_requests}
    return Observed(counted, notes=tuple(sorted(set(refusals))))


def _try_sync(settings: ClientSettings, url: str) -> list[str]:
    from ... import httpx2 as with_httpx2

    refusals: list[str] = []
    for make in (with_httpx.client, with_httpx2.client):
        with make(settings=settings) as client:
            try:
                client.get(url)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is shown
                refusals.append(f"{type(error).__name__}: {error}")
    return refusals


async def _try_async(settings: ClientSettings, url: str) -> list[str]:
    from ... import httpx2 as with_httpx2

    refusals: list[str] = []
    for make in (with_httpx.async_client, with_httpx2.async_client):
        async with make(settings=settings) as client:
            try:
                await client.get(url)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is shown
                refusals.append(f"{type(error).__name__}: {error}")
    return refusals


def waiting(listener: socket.socket) -> int:
    """How many connections wait to be accepted."""
    listener.settimeout(0)
    number = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return number
        number += 1
