"""The dashboard keeps Grafana's own rules for dashboards, and each rule finds what it is for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.long.integrations.grafana.board import FILE, Board, board, panels, without_matchers
from tests.long.integrations.grafana.lint import RULES


def first_panel(change: Callable[[dict[str, Any]], object]) -> Callable[[Board], object]:
    return lambda spoilt: change(next(panels(spoilt)))


def first_query(expression: str) -> Callable[[Board], object]:
    return first_panel(lambda panel: panel["targets"][0].update(expr=expression))


def variable(known_as: str, **changes: Any) -> Callable[[Board], object]:
    return lambda spoilt: next(each for each in spoilt["templating"]["list"] if each["name"] == known_as).update(changes)


FAULTS = [
    ("panel-datasource-rule", first_panel(lambda panel: panel["datasource"].update(uid="prometheus-1"))),
    ("panel-datasource-rule", first_panel(lambda panel: panel["targets"][0]["datasource"].update(uid="prometheus-1"))),
    ("panel-no-targets-rule", first_panel(lambda panel: panel.update(targets=[]))),
    ("panel-title-description-rule", first_panel(lambda panel: panel.update(title=""))),
    ("panel-title-description-rule", first_panel(lambda panel: panel.pop("description"))),
    ("panel-units-rule", first_panel(lambda panel: panel["fieldConfig"]["defaults"].pop("unit"))),
    ("target-counter-agg-rule", first_query("sum(x_total{})")),
    ("target-counter-agg-rule", first_query("max_over_time(x_total{}[5m])")),
    ("target-histogram-rule", first_query("sum by (le) (rate(x_bucket{}[$__rate_interval]))")),
    ("target-instance-rule", first_query('x_y{job=~"$job"}')),
    ("target-job-rule", first_query('x_y{instance=~"$instance"}')),
    ("target-job-rule", first_query('x_y + x_z{job=~"$job", instance=~"$instance"}')),
    ("target-rate-interval-rule", first_query("rate(x_total{}[5m])")),
    ("template-datasource-rule", variable("datasource", name="source")),
    ("template-instance-rule", variable("instance", allValue="")),
    ("template-job-rule", variable("job", multi=False)),
    ("template-job-rule", variable("job", name="application")),
    ("template-label-promql-rule", variable("credential", query="label_values(")),
    ("template-on-time-change-reload-rule", variable("job", refresh=1)),
    ("uneditable-dashboard", lambda spoilt: spoilt.update(editable=True)),
]


@pytest.mark.parametrize("rule", RULES)
def test_the_dashboard_keeps_the_rule(rule: str) -> None:
    assert list(RULES[rule](board())) == []


@pytest.mark.parametrize(("rule", "spoil"), FAULTS)
def test_the_rule_finds_what_it_is_for(rule: str, spoil: Callable[[Board], object]) -> None:
    spoilt = board()
    spoil(spoilt)
    assert list(RULES[rule](spoilt)) != []


def test_every_rule_is_tried() -> None:
    assert {rule for rule, _ in FAULTS} == RULES.keys()


@pytest.mark.parametrize(
    ("expression", "bare"),
    [
        ('sum by (x_label) (rate(x_total{a="x_value"}[5m]))', []),
        ("x_total", ["x_total"]),
        ("count_over_time(x_y[5m]) / on (a_b) x_z{}", ["x_y"]),
    ],
)
def test_metrics_without_matchers_are_noticed(expression: str, bare: list[str]) -> None:
    assert without_matchers(expression) == bare


def test_no_two_panels_have_one_name_or_one_place() -> None:
    shown = list(panels(board()))
    assert len(shown) > 10
    assert len({panel["title"] for panel in shown}) == len({panel["id"] for panel in shown}) == len(shown)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in shown}) == len(shown)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in shown)


def test_nothing_in_it_belongs_to_one_installation() -> None:
    assert set(re.findall(r"https?://([^/\"]+)", FILE.read_text())) == {"docs.example.com"}
    assert "__inputs" not in board()
