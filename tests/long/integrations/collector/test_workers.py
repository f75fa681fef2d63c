"""Metrics that the workers of a server send to a collector, each under an identifier of its own, and every call once."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from prio_middleware.sandbox import Sandbox
from prio_middleware.telemetry.names import METRICS, RESPONSES, STATUS
from tests.long.integrations.collector.otlp_receiver import Received, otlp_receiver
from tests.long.integrations.prometheus.world import PATIENCE, running, wait_until
from tests.long.integrations.shops import INTEGRATIONS, SHOPS, OpenShop, as_dotenv, opened

SHOP = next(shop for shop in SHOPS if str(shop) == "flask, gunicorn")
OTLP = INTEGRATIONS / "collector" / "otlp.py"
WORKERS = 2
ANSWERED = (STATUS, "200")


@pytest.fixture
def received() -> Generator[Received]:
    with otlp_receiver() as received:
        yield received


@pytest.fixture
def shop(received: Received, prio_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[OpenShop]:
    """The shop that the README names, with its workers configured as it says."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "300")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", f"--config {OTLP}")
    with opened(SHOP, as_dotenv(prio_sandbox.environment()), tmp_path) as shop:
        yield shop


def test_each_worker_has_its_own_identifier_and_every_call_is_counted_once(
    shop: OpenShop, received: Received, prio_sandbox: Sandbox
) -> None:
    wait_until(lambda: len(received.sent) == WORKERS, lambda: f"{set(received.sent)} {shop.log}")
    prio_sandbox.admin.reset_counts()
    before = {worker: received.count(RESPONSES.name, worker, ANSWERED) for worker in received.sent}
    for _ in range(20):
        shop.customer().look()
    asked = sum(request.status == 200 for request in prio_sandbox.admin.requests() if "/oauth2/" not in request.path)
    assert asked >= 20

    def counted() -> int:
        return sum(received.count(RESPONSES.name, worker, ANSWERED) - before[worker] for worker in received.sent)

    wait_until(lambda: counted() >= asked, lambda: f"{counted()} of {asked}")
    assert counted() == asked
    assert received.jobs == {"shop"}


def test_the_busy_application_sends_every_metric_and_stops_on_a_signal(
    received: Received, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "busy")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "300")
    log = tmp_path / "busy.log"
    with running([sys.executable, "-m", "integrations.prometheus.busy", "--otlp", "--trouble", "--lifetime=2"], log) as busy:
        # Without a shared store there is nothing to tell of one.
        expected = {metric.name for metric in METRICS if ".token_store." not in metric.name}
        wait_until(lambda: received.names() >= expected, log.read_text)
        busy.terminate()
        assert busy.wait(PATIENCE) == 0
    assert received.jobs == {"busy"}
