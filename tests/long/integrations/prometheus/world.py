"""A real Prometheus that looks at real applications, on a scale of time on which a minute takes a second."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.long.integrations.grafana.board import Board, substituted
from tests.long.integrations.prometheus.rules import RULES, scaled
from tests.web.servers import ROOT, free_port

FACTOR = 60
"""Divisor of windows, waiting times and the scrape interval."""

SCRAPE_INTERVAL = 30 / FACTOR
LOOKBACK = 300 / FACTOR
"""Seconds. Prometheus's own is five minutes."""

PATIENCE = 90.0
"""Seconds after which what is waited for does not happen any more."""

CONFIG = {
    "global": {
        "scrape_interval": f"{SCRAPE_INTERVAL * 1000:.0f}ms",
        "scrape_timeout": f"{SCRAPE_INTERVAL * 1000:.0f}ms",
        "evaluation_interval": f"{SCRAPE_INTERVAL * 1000:.0f}ms",
    },
    "rule_files": ["rules.yml"],
}


@dataclass(frozen=True)
class Series:
    """Series of a query: labels, and values over time, with their seconds since the epoch."""

    labels: Mapping[str, str]
    values: list[float]
    moments: Sequence[float] = ()


class Prometheus:
    """One that runs."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.began = time.time()

    @property
    def age(self) -> int:
        """Whole seconds since the start, and a little more."""
        return math.ceil(time.time() - self.began) + 1

    def ask(self, query: str) -> list[Series]:
        """The answer for this moment."""
        found = self._get("/query", query=query)
        return [Series(series["metric"], _numbers([series["value"]])) for series in found]

    def finds(self, query: str) -> bool:
        """Return True if there is a value now."""
        return bool(self.ask(query))

    def ask_since_start(self, query: str) -> list[Series]:
        """The answers for every moment since the start."""
        found = self._get("/query_range", query=query, start=self.began, end=time.time(), step=SCRAPE_INTERVAL)
        return [
            Series(
                series["metric"], _numbers(series["values"]), [moment for moment, value in series["values"] if value != "NaN"]
            )
            for series in found
        ]

    def values_of(self, label: str, series: str) -> set[str]:
        """The values that a label has in ``series``."""
        found = self._http.get(f"/label/{label}/values", params={"match[]": series}).json()["data"]
        return set(found)

    def fired(self) -> set[tuple[str, str, str]]:
        """Alerts that have fired since the start: name, job and credential."""
        seen = self.ask_since_start('ALERTS{alertstate="firing"}')
        names = ("alertname", "job", "prio_middleware_credential_name")
        return {(a, b, c) for a, b, c in ([series.labels.get(name, "") for name in names] for series in seen)}

    def is_up(self) -> bool:
        """Return True if it answers."""
        with contextlib.suppress(httpx.TransportError):
            return self._http.get("/status/runtimeinfo").is_success
        return False

    def _get(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = self._http.post(path, data=parameters).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found


def wait_until(holds: Callable[[], bool], otherwise: Callable[[], object], until: float | None = None) -> None:
    """Return when it holds. It is asked at least once, and then until ``until``, seconds of the monotonic clock.

    Raises:
        AssertionError: it never does. The message holds ``otherwise``.
    """
    until = time.monotonic() + PATIENCE if until is None else until
    while not holds():
        assert time.monotonic() < until, otherwise()
        time.sleep(0.1)


def results(panel: Board, seen: Prometheus, rate_seconds: float = 4 * SCRAPE_INTERVAL) -> Iterator[tuple[str, Series]]:
    """Yield the series of a panel by legend: since the start, or the latest value if the panel shows that."""
    variables = {
        **dict.fromkeys(("job", "instance", "credential"), ".+"),
        "__rate_interval": f"{rate_seconds:.0f}s",
        "__range": f"{seen.age}s",
    }
    for target in panel["targets"]:
        ask = seen.ask if target.get("instant") else seen.ask_since_start
        for series in ask(substituted(target["expr"], variables)):
            yield _legend(target["legendFormat"], series.labels), series


def _legend(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template)


@contextlib.contextmanager
def prometheus(binary: str, folder: Path, targets: Mapping[str, int]) -> Generator[Prometheus]:
    """A Prometheus with the rules, which looks at ``targets``: ports, by the name of their job."""
    port = free_port()
    jobs = [{"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]} for job, target in targets.items()]
    (folder / "prometheus.yml").write_text(json.dumps({**CONFIG, "scrape_configs": jobs}))
    (folder / "rules.yml").write_text(scaled(RULES.read_text(), FACTOR))
    options = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "query.lookback-delta": f"{LOOKBACK:.0f}s",
        "log.level": "warn",
    }
    log = folder / "prometheus.log"
    with (
        running([binary, *(f"--{name}={value}" for name, value in options.items())], log),
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=PATIENCE) as http,
    ):
        looking = Prometheus(http)
        wait_until(looking.is_up, log.read_text)
        yield looking


@contextlib.contextmanager
def busy(folder: Path, job: str, port: int, *arguments: str) -> Generator[Callable[[], None]]:
    """The busy application, and how to stop it before the end."""
    command = [sys.executable, "-m", "integrations.prometheus.busy", f"--port={port}", "--lifetime=3", *arguments]
    with running(command, folder / f"{job}.log") as process:
        yield lambda: stop(process)


@contextlib.contextmanager
def running(command: Iterable[str | Path], log: Path) -> Generator[subprocess.Popen[bytes]]:
    """A process of its own, until the end."""
    # Measured once is enough.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    with log.open("wb") as output:
        process = subprocess.Popen([*command], cwd=ROOT, env=inherited, stdout=output, stderr=output)
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Have it stop by itself, or else."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _numbers(pairs: Iterable[tuple[float, str]]) -> list[float]:
    """The values that are some: a ratio of nothing is none."""
    return [float(value) for _, value in pairs if value != "NaN"]
