"""Alert rules: they fire in time, stop in time, and name a runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.long.docs.blocks import PAGES, blocks
from tests.long.integrations.prometheus.rules import ROOT, RULES, UNIT_TESTS, alerts, rules, scaled

RUNBOOKS = ROOT / "docs" / "runbooks"
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: it comes with Prometheus")


def promtool(*arguments: str | Path) -> str:
    """Return the output of a successful promtool run."""
    run = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def checks_of(alert: str) -> list[list[dict[str, Any]]]:
    """The unit tests of an alert, each as the moments that it looks at, in order of time."""
    tests = [test for file in UNIT_TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    return [[check for check in test.get("alert_rule_test", []) if check["alertname"] == alert] for test in tests]


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", RULES)


@needs_promtool
def test_prometheus_takes_the_queries_of_the_documentation(tmp_path: Path) -> None:
    queries = [block.code for page in PAGES for block in blocks(page, "promql")]
    recorded = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": recorded}]}))

    assert f"{len(queries)} rules found" in promtool("check", "rules", file)


@needs_promtool
@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_the_unit_tests_of_the_rules_pass(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", file)


@pytest.mark.parametrize("alert", [alert["alert"] for alert in alerts()])
def test_the_timing_of_an_alert_is_tested_before_while_and_after_it_fires(alert: str) -> None:
    courses = ["".join("x" if check.get("exp_alerts") else "-" for check in checks) for checks in checks_of(alert)]
    assert any(re.search("-x+-", course) for course in courses)
    assert any(set(course) == {"-"} for course in courses) or alert == "PrioTelemetryAbsent"


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    page = re.fullmatch(
        r"https://docs\.example\.com/prio-middleware/runbooks/([a-z-]+)\.html", alert["annotations"]["runbook_url"]
    )
    assert page
    assert (RUNBOOKS / f"{page[1]}.md").read_text().count(f"`{alert['alert']}`") >= 1
    assert alert["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert {"summary", "description"} <= alert["annotations"].keys()


def test_every_runbook_belongs_to_an_alert() -> None:
    named = {Path(alert["annotations"]["runbook_url"]).stem for alert in alerts()}
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"index"} == named


def test_a_recorded_name_says_what_it_is_grouped_by() -> None:
    named = [(rule, label) for rule in rules() for label in rule.get("record", "").partition(":")[0].split("_") if label]
    assert named
    assert [label for rule, label in named if not re.search(rf"by \([^)]*{label}", rule["expr"])] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate(x[5m])", "rate(x[3000ms])"),
        ("x:rate5m offset 1h", "x:rate5m offset 36000ms"),
        ("        for: 1m\n", "        for: 600ms\n"),
        ("for five minutes, 14.4 * 0.001 > 5", "for five minutes, 14.4 * 0.001 > 5"),
    ],
)
def test_windows_are_scaled_and_nothing_else(text: str, expected: str) -> None:
    assert scaled(text, 100) == expected


def test_every_window_of_the_rules_is_scaled() -> None:
    assert re.findall(r"(?:\[|for: |offset )\d+[smhd]\b", scaled(RULES.read_text(), 100)) == []
    assert yaml.safe_load(scaled(RULES.read_text(), 1)).keys() == {"groups"}
