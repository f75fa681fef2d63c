"""Code of one worker process: a client over TLS, threads that use it, and a log of every request that it sends."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import httpx

from prio_middleware import PrioError, build
from prio_middleware.httpx import client
from prio_middleware.settings import ClientSettings
from prio_middleware.telemetry.providers import StoreReport
from prio_middleware.transports.routes import transport_of

from .request_log import LoggedRequest, WorkerLog

PATH = "/products/1004"
TOKEN_PATH = "/oauth2/token"


class Load(NamedTuple):
    """Load of one worker process.

    Attributes:
        threads: concurrent threads.
        calls: calls of each thread.
        pause: seconds between two calls of a thread.
        begin_at: start, as a value of ``time.monotonic()``, which all processes of a machine share.
    """

    threads: int = 1
    calls: int = 1
    pause: float = 0.0
    begin_at: float = 0.0


class LoggingTransport(httpx.BaseTransport):
    """Log each request and its outcome."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.log: list[LoggedRequest] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send and log the request."""
        began, outcome = time.monotonic(), "lost"
        try:
            response = self._inner.handle_request(request)
            outcome = str(response.status_code)
            return response
        finally:
            self.log.append(LoggedRequest(began, time.monotonic(), outcome, request.url.path.endswith(TOKEN_PATH)))


class Worker:
    """The commands that a worker process carries out."""

    def __init__(self, ca_pem: bytes) -> None:
        self._context = ssl.create_default_context(cadata=ca_pem.decode())

    def reset(self, settings: dict[str, Any]) -> None:
        """Create a new client with these settings and without a token."""
        build.forget()
        self._settings = ClientSettings(**settings)
        self._transport = LoggingTransport(httpx.HTTPTransport(verify=self._context))
        self._client = client(settings=self._settings, transport=self._transport, timeout=60)

    def call(self, load: Load) -> WorkerLog:
        """Make the calls of a load, and return their log."""
        self._transport.log.clear()
        together, calls = threading.Barrier(load.threads), list[LoggedRequest]()

        def call_repeatedly(_: int) -> None:
            together.wait()
            time.sleep(max(0.0, load.begin_at - time.monotonic()))
            for _ in range(load.calls):
                calls.append(self._call_once())
                time.sleep(load.pause)

        with ThreadPoolExecutor(load.threads) as pool:
            list(pool.map(call_repeatedly, range(load.threads)))
        return WorkerLog(calls, list(self._transport.log))

    def report(self) -> StoreReport:
        """Return the provider's report on the store."""
        provider: Any = transport_of(self._client).pipeline.provider
        report: StoreReport = provider.store_report()
        return report

    def _call_once(self) -> LoggedRequest:
        began = time.monotonic()
        try:
            outcome = str(self._client.get(PATH).status_code)
        except (PrioError, httpx.HTTPError) as error:
            outcome = type(error).__name__
        return LoggedRequest(began, time.monotonic(), outcome)


def serve(commands: Connection, ca_pem: bytes) -> None:
    """Carry out commands until the pipe closes."""
    logging.getLogger("prio_middleware").disabled = True  # Fifty processes would log that the store is down.
    worker = Worker(ca_pem)
    while True:
        try:
            command, arguments = commands.recv()
        except EOFError:
            return
        commands.send(getattr(worker, command)(*arguments))
