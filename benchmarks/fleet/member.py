"""One real process of a fleet: a client over TLS, threads that use it, and a record of all that went over the wire."""

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

from .crossings import Crossing, Work

PATH = "/products/1004"
TOKEN_PATH = "/oauth2/token"


class Load(NamedTuple):
    """Load of one process.

    Attributes:
        threads: that call at once.
        calls: that each of them makes.
        pause: seconds between two calls of a thread.
        begin_at: a moment of ``time.monotonic()``, which all processes of a machine share.
    """

    threads: int = 1
    calls: int = 1
    pause: float = 0.0
    begin_at: float = 0.0


class Spy(httpx.BaseTransport):
    """Notes what is sent, and how it was answered."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self._inner = inner
        self.seen: list[Crossing] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        began, outcome = time.monotonic(), "lost"
        try:
            response = self._inner.handle_request(request)
            outcome = str(response.status_code)
            return response
        finally:
            self.seen.append(Crossing(began, time.monotonic(), outcome, request.url.path.endswith(TOKEN_PATH)))


class Member:
    """The process from inside."""

    def __init__(self, ca_pem: bytes) -> None:
        self._context = ssl.create_default_context(cadata=ca_pem.decode())

    def begin(self, settings: dict[str, Any]) -> None:
        """Anew, without a token, and with these settings."""
        build.forget()
        self._settings = ClientSettings(**settings)
        self._spy = Spy(httpx.HTTPTransport(verify=self._context))
        self._client = client(settings=self._settings, transport=self._spy, timeout=60)

    def call(self, load: Load) -> Work:
        """Do so, and tell."""
        self._spy.seen.clear()
        together, calls = threading.Barrier(load.threads), list[Crossing]()

        def several(_: int) -> None:
            together.wait()
            time.sleep(max(0.0, load.begin_at - time.monotonic()))
            for _ in range(load.calls):
                calls.append(self._one())
                time.sleep(load.pause)

        with ThreadPoolExecutor(load.threads) as pool:
            list(pool.map(several, range(load.threads)))
        return Work(calls, list(self._spy.seen))

    def report(self) -> StoreReport:
        """Report of the provider on the store."""
        provider: Any = transport_of(self._client).pipeline.provider
        report: StoreReport = provider.store_report()
        return report

    def _one(self) -> Crossing:
        began = time.monotonic()
        try:
            outcome = str(self._client.get(PATH).status_code)
        except (PrioError, httpx.HTTPError) as error:
            outcome = type(error).__name__
        return Crossing(began, time.monotonic(), outcome)


def serve(orders: Connection, ca_pem: bytes) -> None:
    """Carry out orders until the pipe closes."""
    logging.getLogger("prio_middleware").disabled = True  # Fifty would say that the store is away.
    member = Member(ca_pem)
    while True:
        try:
            what, arguments = orders.recv()
        except EOFError:
            return
        orders.send(getattr(member, what)(*arguments))
