"""Rules, unit tests, dashboard and runbooks speak of what the library measures, and of all of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prio_middleware.telemetry.names import METRICS, Metric
from scripts.telemetry_reference import ATTRIBUTES, ERROR_TYPES
from tests.long.integrations.prometheus.rules import ROOT, RULES, UNIT_TESTS, rules

DASHBOARD = ROOT / "integrations" / "grafana" / "prio-middleware.json"
SOURCES = [
    RULES,
    *UNIT_TESTS,
    DASHBOARD,
    *sorted((ROOT / "integrations").glob("*/README.md")),
    *sorted((ROOT / "docs" / "runbooks").glob("*.md")),
]
NAME = re.compile(r"\b(?:[a-z_]+:)?prio_middleware_\w+(?::\w+)?")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


def prometheus_names(metric: Metric) -> set[str]:
    """Return the name in Prometheus: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/."""
    unit = "_seconds" if metric.unit == "s" else ""
    return {f"{metric.name.replace('.', '_')}{unit}{suffix}" for suffix in SUFFIXES.get(metric.kind, ("",))}


def named(text: str) -> set[str]:
    return set(NAME.findall(text))


METRIC_NAMES = {name for metric in METRICS for name in prometheus_names(metric)}
LABELS = {attribute.replace(".", "_") for attribute in ATTRIBUTES}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_is_one_that_there_is(source: Path) -> None:
    assert named(source.read_text()) - METRIC_NAMES - LABELS - RECORDED == set()


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_dashboard_shows_every_metric(metric: Metric) -> None:
    assert prometheus_names(metric) & named(DASHBOARD.read_text())


ERROR_TYPE = re.compile(r"error_type(?:=|!=|=~|!~)\\?[\"']([^\"'\\]+)")


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_error_type_is_one_that_there_is(source: Path) -> None:
    named = {value for values in ERROR_TYPE.findall(source.read_text()) for value in values.split("|")}
    assert named - ERROR_TYPES.keys() == set()


def test_the_runbook_says_what_to_do_for_each_error_type() -> None:
    """All but wrong credentials, which have a page of their own, and cancelled callers, which are no failures."""
    table = (ROOT / "docs" / "runbooks" / "token-endpoint-failing.md").read_text().partition("| --- | --- |\n")[2]
    named = [
        value for line in table.splitlines() if line.startswith("|") for value in re.findall("`([^`]+)`", line.split("|")[1])
    ]
    assert sorted(named) == sorted(ERROR_TYPES.keys() - {"invalid_client", "cancelled"})


def test_every_recorded_series_is_used() -> None:
    used = " ".join(rule["expr"] for rule in rules())
    assert [record for record in RECORDED if record not in used] == []


def test_a_wrong_name_would_be_found() -> None:
    assert named("rate(prio_middleware_token_acquisition_total{job='x'}[5m])") - METRIC_NAMES
    assert ERROR_TYPE.findall('x{error_type="503|timeout"}') == ["503|timeout"]
