"""Telemetry of whole processes: providers that are set late, and an application without a logging configuration."""

from __future__ import annotations

import subprocess
import sys

import pytest

LATE = """
import sys
import httpx
from prio_middleware.httpx import client
from tests.transports.matrix import Server, MatrixClient, settings

matrix = MatrixClient("httpx-sync")
first = matrix.client(Server(matrix))
if "loaded" in sys.argv:
    import opentelemetry.metrics, opentelemetry.trace
    matrix.client(Server(matrix), settings=settings(name="second"))
assert "opentelemetry" not in sys.modules or "loaded" in sys.argv
if "fetched" in sys.argv:
    first.client.get("/products")
from opentelemetry import metrics, trace
from tests.telemetry.helpers import Recorder
from tests.oauth.shared.fleet import Fleet, Process
recorder = Recorder()
metrics.set_meter_provider(recorder.meter_provider)
trace.set_tracer_provider(recorder.tracer_provider)
first.client.get("/products")
matrix.client(Server(matrix), settings=settings(name="third")).client.get("/products")
values = recorder.values("prio_middleware.token.acquisitions")
assert values["fetched"] == 1, values
assert values["cached"] == ("fetched" in sys.argv), values
assert recorder.values("prio_middleware.token.acquisitions", "third")["fetched"] == 1
spans = len(recorder.fetches())
assert spans == 1 + ("fetched" not in sys.argv), spans
points = recorder.points("prio_middleware.token.fetch.duration")
assert sum(point.count for point in points.values()) == 2, points  # That before the provider was set was held.
"""


@pytest.mark.parametrize("when", [[], ["fetched"], ["loaded"], ["loaded", "fetched"]], ids=str)
def test_a_provider_that_is_set_late_sees_everything(when: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LATE, *when], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


BARE = """
from prio_middleware import PrioError
from tests.transports.matrix import MatrixClient, Server

matrix = MatrixClient("httpx-sync")
server = Server(matrix, token=lambda _: matrix.library.Response(401, json={"error": "invalid_client"}))
client = matrix.client(server).client
for _ in range(1000):
    try:
        client.get("/products")
    except PrioError:
        pass
"""


def test_a_bare_script_reads_on_stderr_why_its_calls_fail() -> None:
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=True, timeout=60)
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 5
    assert "invalid_client" in lines[0]


DROP_IN = """
import asyncio
from fastapi import FastAPI
from prio_middleware.fastapi import PrioClient, PrioMiddleware
from tests.web.helpers import nowhere

app = FastAPI()
app.add_middleware(PrioMiddleware, settings=nowhere())

@app.get("/")
async def products(prio: PrioClient):
    return (await prio.get("/products")).status_code

async def call():
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": "/", "raw_path": b"/",
             "query_string": b"", "headers": [], "scheme": "http", "server": ("shop", 80), "client": ("127.0.0.1", 1)}
    received = iter([{"type": "http.request", "body": b"", "more_body": False}])
    async def receive():
        return next(received, None) or await asyncio.Event().wait()
    async def send(message):
        assert message.get("status", 503) == 503, message
    await app(scope, receive, send)

async def main():
    for _ in range(1000):
        await call()

asyncio.run(main())
"""


def test_a_framework_does_not_flood_stderr() -> None:
    done = subprocess.run([sys.executable, "-c", DROP_IN], capture_output=True, text=True, check=True, timeout=60)
    lines = done.stderr.splitlines()
    assert 1 <= len(lines) <= 5
    assert any("Answered 503" in line for line in lines)


FORKED = """
import os
from prio_middleware.httpx import client
from prio_middleware.sandbox import Sandbox
from tests.web.helpers import settings_for

with Sandbox() as sandbox:
    used, unused = (client(settings=settings_for(sandbox).client(name)) for name in ("default", "berlin"))
    used.get("/products")
    child = os.fork()
    if child == 0:
        for prio in (unused, used, used):
            try:
                prio.get("/products")
            except Exception:  # What plain httpx raises when two processes read from one connection.
                pass
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_a_client_used_before_a_fork_says_so_in_the_child() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=60)
    (line,) = done.stderr.splitlines()
    assert "'default'" in line
