"""Demo application: its clients call an embedded Prio API without a pause, and Prometheus can scrape port 9464.

``python -m integrations.prometheus.busy``; with ``--trouble`` further clients fail in different ways, so that every alert
fires; with ``--redis`` further clients share tokens. It runs until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.fernet import Fernet
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server

from prio_middleware.httpx import client
from prio_middleware.sandbox import Account, Sandbox, SandboxOptions
from prio_middleware.settings import ClientSettings

PRODUCT = "/products/1004"
MARGIN = 60.0
"""Upper limit of a call's duration in seconds."""

THREADS = 4
"""Number of calling threads of a client. Some of them wait for another thread's fetch."""


@dataclass(frozen=True)
class Context:
    """APIs that the clients call, and the pace of the calls.

    Attributes:
        healthy: API without faults.
        faulty: API whose token endpoint can be made to fail.
        ended: set at the end of the run.
        pace: mean of the seconds between the calls of a thread.
        stores: token store settings of the clients that share tokens.
    """

    healthy: Sandbox
    faulty: Sandbox
    ended: threading.Event
    pace: float
    stores: Mapping[str, Any]

    def moments(self) -> Iterator[int]:
        """Yield the number of each call when it is due, until the end."""
        moment = 0
        # At a regular pace, a scrape could miss the same short state every time.
        while not self.ended.wait(self.pace * random.uniform(0.5, 1.5)):  # noqa: S311 - no secret
            yield moment
            moment += 1


Behaviour = Callable[[httpx.Client, Context], None]


def steady(http: httpx.Client, context: Context) -> None:
    """Call without faults."""
    for _ in context.moments():
        call(http)


def idle(http: httpx.Client, context: Context) -> None:
    """Make one call, and let the token expire."""
    call(http)
    context.ended.wait()


def rejected(http: httpx.Client, context: Context) -> None:
    """Call with a secret that is not valid any more."""
    context.healthy.admin.set_secret("rejected", "another")
    steady(http, context)


def failing(http: httpx.Client, context: Context) -> None:
    """Call until the token endpoint fails, and go on."""
    for moment in context.moments():
        call(http)
        if moment == 20:
            context.faulty.admin.fail_tokens("unavailable", times=None)


def careless(http: httpx.Client, context: Context) -> None:
    """Call an unknown path, and sometimes over plain HTTP."""
    for moment in context.moments():
        call(http, "http://127.0.0.1/products" if moment % 10 == 0 else "/products/unknown")


def revoked(http: httpx.Client, context: Context) -> None:
    """Call while each new token is revoked."""
    for moment in context.moments():
        call(http)
        if moment % 7 == 0:
            context.healthy.admin.revoke("revoked")


def call(http: httpx.Client, url: str = PRODUCT) -> None:
    """Make one call and ignore its result, which the metrics show."""
    with contextlib.suppress(httpx.HTTPError):
        http.get(url)


HEALTHY: Mapping[str, Behaviour] = {"steady": steady, "idle": idle}
SHARING: Mapping[str, Behaviour] = {"sharing": steady, "sharing_too": steady, "cut_off": steady}
FAILING: Mapping[str, Behaviour] = {"rejected": rejected, "failing": failing, "careless": careless, "revoked": revoked}


def run_clients(behaviours: Mapping[str, Behaviour], context: Context) -> None:
    """Run every client until the end."""
    with contextlib.ExitStack() as clients:
        callers = [
            threading.Thread(target=behaviour, args=(http, context))
            for name, behaviour in behaviours.items()
            for http in [clients.enter_context(client(settings=settings(name, context)))]
            for _ in range(THREADS if behaviour is steady else 1)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()


def settings(name: str, context: Context) -> ClientSettings:
    """Return the settings of the client ``name``."""
    sandbox = context.faulty if name == "failing" else context.healthy
    account = next(account for account in sandbox.options.accounts if account.client_id == name.removesuffix("_too"))
    timeout = 1 if sandbox is context.faulty else 30
    return ClientSettings(
        name=name,
        base_url=sandbox.base_url,
        client_id=account.client_id,
        client_secret=account.client_secret,
        ca_file=sandbox.ca_file,
        token_timeout=timeout,
        token_deadline=timeout,
        failure_cooldown=2,
        # The second client needs its next token a little later, and takes it from the store.
        leeway_fraction=0 if name.endswith("_too") else 0.1,
        token_store=context.stores.get(name),
    )


@contextlib.contextmanager
def stores(port: int | None) -> Generator[Mapping[str, Any]]:
    """Yield the token store settings by client: the Redis at ``port``, or an address without one."""
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder, "key")
        key.touch(mode=0o600)
        key.write_bytes(Fernet.generate_key())
        shared = {"url": f"redis://127.0.0.1:{port}", "encryption_key_file": key}
        lost = {"url": f"unix://{folder}/missing.sock", "encryption_key_file": key}
        yield {"sharing": shared, "sharing_too": shared, "cut_off": lost}


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve metrics and make calls until SIGINT or SIGTERM."""
    asked = _parser().parse_args(arguments)
    behaviours = {**HEALTHY, **(FAILING if asked.trouble else {}), **(SHARING if asked.redis else {})}
    # Tokens live longer than announced, so that none expires during a slow call.
    options = SandboxOptions(
        accounts=tuple(Account(name) for name in behaviours),
        lifetime=asked.lifetime + MARGIN,
        expires_in=str(asked.lifetime),
        token_delay=asked.pace,
        limits=False,
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with export_metrics(asked), Sandbox(options) as healthy, Sandbox(options) as faulty, stores(asked.redis) as shared:
        run_clients(behaviours, Context(healthy, faulty, ended, asked.pace, shared))


@contextlib.contextmanager
def export_metrics(asked: argparse.Namespace) -> Generator[None]:
    """Send metrics to a collector, or serve them."""
    if asked.otlp:
        from integrations.collector import otlp

        otlp.start()
        yield
        return
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"
    HTTPXClientInstrumentor().instrument()
    server, _ = start_http_server(asked.port, "127.0.0.1")
    yield
    server.shutdown()
    server.server_close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m integrations.prometheus.busy", description="Demo application with metrics."
    )
    parser.add_argument("--port", type=int, default=9464, help="port of the metrics (default: %(default)s)")
    parser.add_argument("--otlp", action="store_true", help="send metrics to a collector instead")
    parser.add_argument("--pace", type=float, default=0.2, help="seconds between calls (default: %(default)s)")
    parser.add_argument("--lifetime", type=float, default=60, help="lifetime of tokens in seconds (default: %(default)s)")
    parser.add_argument("--trouble", action="store_true", help="add clients that fail")
    parser.add_argument("--redis", type=int, metavar="PORT", help="add clients that share tokens in the Redis at this port")
    return parser


if __name__ == "__main__":
    main()
