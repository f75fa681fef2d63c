"""A busy application to look at: its clients call an embedded Prio API without a pause, and Prometheus may look at port 9464.

``python -m integrations.prometheus.busy``; with ``--trouble`` it also has clients that each get into a trouble of their own, so
that every alert fires; with ``--redis`` also some that share tokens. It runs until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
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
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server

from prio_middleware.httpx import client
from prio_middleware.sandbox import Account, Sandbox, SandboxOptions
from prio_middleware.settings import ClientSettings

PRODUCT = "/products/1004"
CROWD = 4
"""How many threads a client's callers are: some of them wait for another's fetch."""


@dataclass(frozen=True)
class Stage:
    """Where clients call, and when.

    Attributes:
        well: an API that answers.
        ailing: one whose token endpoint can be spoilt.
        ended: set when it is time to stop.
        pace: seconds between the calls of a caller.
        stores: where tokens are shared, for those who share them.
    """

    well: Sandbox
    ailing: Sandbox
    ended: threading.Event
    pace: float
    stores: Mapping[str, Any]

    def moments(self) -> Iterator[int]:
        """Counts the moments for a call, until the end."""
        moment = 0
        while not self.ended.wait(self.pace):
            yield moment
            moment += 1


Life = Callable[[httpx.Client, Stage], None]


def steady(http: httpx.Client, stage: Stage) -> None:
    """Nothing happens to it."""
    for _ in stage.moments():
        call(http)


def idle(http: httpx.Client, stage: Stage) -> None:
    """It makes one call, and lets its token expire."""
    call(http)
    stage.ended.wait()


def rejected(http: httpx.Client, stage: Stage) -> None:
    """Its secret is not the account's any more."""
    stage.well.admin.set_secret("rejected", "another")
    steady(http, stage)


def failing(http: httpx.Client, stage: Stage) -> None:
    """It is well, until the token endpoint breaks."""
    for moment in stage.moments():
        call(http)
        if moment == 20:
            stage.ailing.admin.fail_tokens("unavailable", times=None)


def careless(http: httpx.Client, stage: Stage) -> None:
    """It asks for what is not there, and now and then over plain HTTP."""
    for moment in stage.moments():
        call(http, "http://127.0.0.1/products" if moment % 10 == 0 else "/products/unknown")


def revoked(http: httpx.Client, stage: Stage) -> None:
    """Somebody revokes its tokens as fast as it has new ones."""
    for moment in stage.moments():
        call(http)
        if moment % 7 == 0:
            stage.well.admin.revoke("revoked")


def call(http: httpx.Client, url: str = PRODUCT) -> None:
    """One call. What comes of it is for the metrics to tell."""
    with contextlib.suppress(httpx.HTTPError):
        http.get(url)


WELL: Mapping[str, Life] = {"steady": steady, "idle": idle}
SHARING: Mapping[str, Life] = {"sharing": steady, "sharing_too": steady, "cut_off": steady}
TROUBLED: Mapping[str, Life] = {"rejected": rejected, "failing": failing, "careless": careless, "revoked": revoked}


def play(lives: Mapping[str, Life], stage: Stage) -> None:
    """Let every client live, until the end."""
    with contextlib.ExitStack() as clients:
        callers = [
            threading.Thread(target=life, args=(http, stage))
            for name, life in lives.items()
            for http in [clients.enter_context(client(settings=settings(name, stage)))]
            for _ in range(CROWD if life is steady else 1)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()


def settings(name: str, stage: Stage) -> ClientSettings:
    """The client ``name`` of the API that it calls."""
    sandbox = stage.ailing if name == "failing" else stage.well
    account = next(account for account in sandbox.options.accounts if account.client_id == name.removesuffix("_too"))
    given_up_after = 1 if sandbox is stage.ailing else 30
    return ClientSettings(
        name=name,
        base_url=sandbox.base_url,
        client_id=account.client_id,
        client_secret=account.client_secret,
        ca_file=sandbox.ca_file,
        token_timeout=given_up_after,
        token_deadline=given_up_after,
        hold_back=2,
        # The second one needs its next token a little later than the one who fetches it for both.
        leeway_fraction=0 if name.endswith("_too") else 0.1,
        token_store=stage.stores.get(name),
    )


@contextlib.contextmanager
def stores(port: int | None) -> Generator[Mapping[str, Any]]:
    """The settings of those who share tokens: in the Redis at ``port``, or where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder, "key")
        key.touch(mode=0o600)
        key.write_bytes(Fernet.generate_key())
        shared = {"url": f"redis://127.0.0.1:{port}", "encryption_key_file": key}
        lost = {"url": f"unix://{folder}/nobody.sock", "encryption_key_file": key}
        yield {"sharing": shared, "sharing_too": shared, "cut_off": lost}


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve metrics and make calls, until SIGINT or SIGTERM."""
    asked = _parser().parse_args(arguments)
    lives = {**WELL, **(TROUBLED if asked.trouble else {}), **(SHARING if asked.redis else {})}
    options = SandboxOptions(
        accounts=tuple(Account(name) for name in lives), lifetime=asked.lifetime, token_delay=asked.pace, limits=False
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with measured(asked), Sandbox(options) as well, Sandbox(options) as ailing, stores(asked.redis) as shared:
        play(lives, Stage(well, ailing, ended, asked.pace, shared))


@contextlib.contextmanager
def measured(asked: argparse.Namespace) -> Generator[None]:
    """Metrics go to a collector, or are there to be looked at."""
    if asked.otlp:
        from integrations.collector import otlp

        otlp.start()
        yield
        return
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
    server, _ = start_http_server(asked.port, "127.0.0.1")
    yield
    server.shutdown()
    server.server_close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m integrations.prometheus.busy", description="An application to look at.")
    parser.add_argument("--port", type=int, default=9464, help="where metrics are served (default: %(default)s)")
    parser.add_argument("--otlp", action="store_true", help="send metrics to a collector instead")
    parser.add_argument("--pace", type=float, default=0.2, help="seconds between calls (default: %(default)s)")
    parser.add_argument("--lifetime", type=float, default=60, help="seconds that a token is good for (default: %(default)s)")
    parser.add_argument("--trouble", action="store_true", help="have clients in trouble too")
    parser.add_argument("--redis", type=int, metavar="PORT", help="have clients that share tokens in the Redis there too")
    return parser


if __name__ == "__main__":
    main()
