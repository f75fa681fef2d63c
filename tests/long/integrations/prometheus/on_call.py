"""A night on call: faults, and the alerts of a real Prometheus, on a scale of time on which a minute takes a second.

``make on-call`` causes one fault after another; ``--at-once 4`` several at a time. Each has a client and a job of its own.
Exit status 0: every alert fired in time, and no other one; 1: not so.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, start_http_server

from prio_middleware.httpx import client
from prio_middleware.sandbox import Account, Admin, Sandbox, SandboxOptions
from prio_middleware.settings import ClientSettings
from tests.long.integrations.prometheus.world import FACTOR, Prometheus, prometheus, wait_until
from tests.web.servers import free_port

THREADS = 3
"""Calling threads of a client."""

PACE = 0.1
"""Seconds between the calls of a thread."""

HEALTHY_FOR = 2.0
"""Seconds of good calls before the fault."""

BURN = "PrioTokenErrorBudgetBurnFast"
"""Fires for every fault of tokens that lasts long enough."""


@dataclass
class Shift:
    """One client at work, and its servers.

    Attributes:
        admin: admin interface of the client's API.
        http: the client.
        calling: its threads call while this is set.
        over: set at the end of the fault.
        stop_metrics: ends the export of metrics.
    """

    admin: Admin
    http: httpx.Client
    calling: threading.Event
    over: threading.Event
    stop_metrics: Callable[[], None]

    def every(self, seconds: float, action: Callable[[], object]) -> None:
        """Repeat ``action`` until the fault is over."""
        while not self.over.wait(seconds):
            action()

    def call(self) -> None:
        """Make one call and ignore its result, which the metrics show."""
        with contextlib.suppress(httpx.HTTPError):
            self.http.get("/products/1004")


Cause = Callable[[Shift], object]


@dataclass(frozen=True)
class Fault:
    """Fault, and the alerts of the fault's job.

    Attributes:
        name: the fault, in words.
        cause: causes it. May go on until the shift is over.
        fires: the alert that must fire; None: no alert may.
        by: minutes on Prometheus's scale until it must fire, or for which none may.
        also: alerts that may fire, too. All others must stay silent.
        settings: changed settings of the client.
        preset: preset of the client and of its API.
        timeout: timeout of its calls in seconds.
    """

    name: str
    cause: Cause
    fires: str | None = None
    by: float = 8
    also: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)
    preset: Literal["prio", "rfc6749"] = "rfc6749"
    timeout: float = 3


def tokens(fault: str) -> Cause:
    """Have every token request fail."""
    return lambda shift: shift.admin.fail_tokens(fault, times=None)


def api(fault: str) -> Cause:
    """Have every call fail."""
    return lambda shift: shift.admin.fail_api(fault, times=None)


def two_minutes(shift: Shift) -> None:
    """Have every call fail for two minutes on Prometheus's scale."""
    shift.admin.fail_api("unavailable", times=None)
    shift.over.wait(2)
    shift.admin.clear_faults()


def one_failed_call(shift: Shift) -> None:
    """Stop the calls, and make one when there is no token left."""
    shift.calling.clear()
    shift.admin.fail_tokens("unavailable", times=None)
    shift.over.wait(LIFETIME + 0.5)
    shift.call()


def flapping(shift: Shift) -> None:
    """Have a token revoked and the next token request fail, again and again."""
    while not shift.over.wait(0.9):
        shift.admin.fail_tokens("invalid_client")
        shift.admin.revoke()


LIFETIME = 2.0
"""Seconds that a token lives."""

ENCRYPTION_KEY = base64.urlsafe_b64encode(bytes(32)).decode()

CLOSED = "https://127.0.0.1:9"
"""URL where nothing listens."""

ENDPOINT, CALLS, REJECTED = "PrioTokenEndpointFailing", "PrioAPIFailing", "PrioCallsRejected"
MAY_BURN = frozenset({BURN})
MAY_WAIT = frozenset({BURN, "PrioTokenEndpointSlow"})

FAULTS = [
    Fault("the secret is wrong", lambda s: s.admin.set_secret("shop", "another"), "PrioCredentialRejected", 6, MAY_BURN),
    Fault("token endpoint: 503", tokens("unavailable"), ENDPOINT, 10, MAY_WAIT),
    Fault("token endpoint: a login page", tokens("html"), ENDPOINT, 8, MAY_BURN),
    Fault("token endpoint: redirect", tokens("redirect_302"), ENDPOINT, 8, MAY_BURN),
    Fault("token endpoint: refuses connections", lambda _: None, ENDPOINT, 8, MAY_WAIT, {"token_url": f"{CLOSED}/token"}),
    Fault("token endpoint: no answer", tokens("stall"), ENDPOINT, 12, MAY_WAIT),
    Fault("token endpoint: 108 s for an answer", lambda s: s.admin.configure(token_delay=1.8), "PrioTokenEndpointSlow", 12),
    Fault("token endpoint: rejects a good secret now and then", flapping, BURN, 12, frozenset({"PrioReauthenticationStorm"})),
    Fault("API: 401 for every call", api("invalid_token"), REJECTED, 12),
    Fault(
        "API: 403 for every call, preset prio",
        api("refused_403"),
        REJECTED,
        12,
        frozenset({"PrioClientErrorBudget"}),
        preset="prio",
    ),
    Fault("API: 403 without a code for every call", api("bare_403"), "PrioForbiddenWithoutCode", 12),
    Fault("API: 500 for every call", api("server_error"), CALLS, 12),
    Fault("API: closes every connection", api("drop"), CALLS, 12),
    Fault("API: no answer", api("stall"), CALLS, 12, timeout=0.2),
    Fault(
        "API: 404 in a loop",
        lambda s: s.every(0.05, lambda: s.http.get("/products/unknown")),
        "PrioClientErrorBudget",
        preset="prio",
    ),
    Fault("API: rejects each token soon", lambda s: s.every(0.5, s.admin.revoke), "PrioReauthenticationStorm", 12),
    Fault(
        "the shared store does not answer",
        lambda _: None,
        "PrioTokenStoreUnavailable",
        20,
        settings={
            "token_store": {"url": "redis://127.0.0.1:9", "encryption_key": base64.urlsafe_b64encode(bytes(32)).decode()}
        },
    ),
    Fault("the metrics stop", lambda s: s.stop_metrics(), "PrioTelemetryAbsent", 8),
    Fault("one invalid_client, then a token", lambda s: s.admin.fail_tokens("invalid_client")),
    Fault("two failed attempts, then a token", lambda s: s.admin.fail_tokens("unavailable", times=2)),
    Fault("a quiet client with one failed call", one_failed_call),
    Fault("an idle client whose token expires", lambda s: s.calling.clear()),
    Fault("a token is revoked once", lambda s: s.admin.revoke()),
    Fault("API: 503 for two minutes", two_minutes),
]


@dataclass(frozen=True)
class Outcome:
    """Alerts that fired for a fault, with the minutes after it on Prometheus's scale."""

    fault: Fault
    fired: Mapping[str, float]

    @property
    def complaints(self) -> list[str]:
        """Differences from the table of faults."""
        wanted = {self.fault.fires} if self.fault.fires else set()
        missing = [f"{alert} did not fire" for alert in wanted - self.fired.keys()]
        return missing + [f"{alert} fired" for alert in sorted(self.fired.keys() - wanted - self.fault.also)]

    @property
    def row(self) -> str:
        """The fault as a line of the table."""
        alert = self.fault.fires
        when = f"{self.fired[alert]:.0f} min" if alert and alert in self.fired else "-"
        mark = "; ".join(self.complaints) or "as expected"
        return f"{self.fault.name:<52} {alert or '(none)':<30} {f'{self.fault.by:.0f} min':>7} {when:>7}  {mark}"


HEAD = f"{'fault':<52} {'alert':<30} {'by':>7} {'fired':>7}"


def run(fault: Fault, job: str, port: int, seen: Prometheus, patience: float) -> Outcome:
    """Cause a fault, and watch the alerts of its job."""
    minutes = fault.by * (patience if fault.fires else 1)
    with at_work(fault, job, port) as shift:
        wait_until(lambda: seen.finds(f'prio_middleware_clients_without_token{{job="{job}"}}'), lambda: f"no metrics of {job}")
        time.sleep(HEALTHY_FOR)
        causing = threading.Thread(target=fault.cause, args=(shift,))
        causing.start()
        fired: dict[str, float] = {}
        began = time.monotonic()
        while fault.fires not in fired and time.monotonic() < began + minutes * 60 / FACTOR:
            time.sleep(0.2)
            for series in seen.ask(f'ALERTS{{alertstate="firing", job="{job}"}}'):
                fired.setdefault(series.labels["alertname"], (time.monotonic() - began) * FACTOR / 60)
        shift.over.set()
        causing.join()
    return Outcome(fault, fired)


@contextlib.contextmanager
def at_work(fault: Fault, job: str, port: int) -> Generator[Shift]:
    """Run a client whose metrics are at ``port``, with an API of its own."""
    account = Account("shop")
    is_prio = fault.preset == "prio"
    options = SandboxOptions(accounts=(account,)) if is_prio else SandboxOptions.rfc6749((account,))
    registry, calling, over = CollectorRegistry(), threading.Event(), threading.Event()
    meter_provider = MeterProvider([PrometheusMetricReader(registry=registry)], shutdown_on_exit=False)
    exporter, _ = start_http_server(port, "127.0.0.1", registry=registry)

    def stop_metrics() -> None:
        exporter.shutdown()
        exporter.server_close()

    with Sandbox(options) as sandbox:
        # Tokens live longer than announced, so that none expires during a slow call.
        sandbox.admin.configure(lifetime=60, expires_in=str(LIFETIME), limits=False)
        given = {
            "name": job,
            "preset": fault.preset,
            "base_url": sandbox.base_url,
            **({} if is_prio else {"token_url": sandbox.token_url}),
            "client_id": account.client_id,
            "client_secret": account.client_secret,
            "ca_file": sandbox.ca_file,
            "token_timeout": 2.5,
            "token_deadline": 2.5,
            "failure_cooldown": 0.2,
            **fault.settings,
        }
        with client(settings=ClientSettings(**given), meter_provider=meter_provider, timeout=fault.timeout) as http:
            shift = Shift(sandbox.admin, http, calling, over, stop_metrics)
            callers = [threading.Thread(target=call_until_over, args=(shift,)) for _ in range(THREADS)]
            calling.set()
            for caller in callers:
                caller.start()
            try:
                yield shift
            finally:
                over.set()
                sandbox.admin.clear_faults()
                sandbox.admin.release()
                for caller in callers:
                    caller.join()
    stop_metrics()


def call_until_over(shift: Shift) -> None:
    """Call without a pause longer than the pace, while the client is to call."""
    while not shift.over.wait(PACE):
        if shift.calling.is_set():
            shift.call()


def watch(
    faults: Sequence[Fault], folder: Path, report: Callable[[Outcome], object], *, at_once: int, patience: float
) -> list[Outcome]:
    """Run every fault, and report each as soon as it and those before it are over."""
    jobs = {f"job{number}": free_port() for number in range(len(faults))}
    with prometheus(shutil.which("prometheus") or "prometheus", folder, jobs) as seen, ThreadPoolExecutor(at_once) as threads:
        outcomes = []
        for outcome in threads.map(lambda fault, job: run(fault, job, jobs[job], seen, patience), faults, jobs):
            report(outcome)
            outcomes.append(outcome)
        return outcomes


def report(outcome: Outcome) -> None:
    """Print a line of the table at once."""
    sys.stdout.write(f"{outcome.row}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.long.integrations.prometheus.on_call", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="the faults with this in their names")
    parser.add_argument("--at-once", type=int, default=1, help="faults at a time (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=1, help="factor of the time for an alert (default: %(default)s)")
    asked = parser.parse_args(arguments)
    faults = [fault for fault in FAULTS if asked.only in fault.name]
    sys.stdout.write(f"{HEAD}\n")
    with tempfile.TemporaryDirectory() as folder:
        outcomes = watch(
            faults,
            Path(folder),
            report,
            at_once=asked.at_once,
            patience=asked.patience,
        )
    wrong = sum(bool(outcome.complaints) for outcome in outcomes)
    sys.stdout.write(f"{len(outcomes)} faults, {wrong} not as expected. A minute here took a second.\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
