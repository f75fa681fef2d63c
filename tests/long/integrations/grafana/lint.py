"""The rules of Grafana's dashboard-linter, by the same names: https://github.com/grafana/dashboard-linter/tree/main/docs/rules.

Each is given a dashboard and returns its complaints. Left out are those for Loki, and those about labels that a team requires.
``target-promql-rule`` asks promtool, in ``test_board.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.long.integrations.grafana.board import Board, expressions, panels, selectors, without_matchers

UNITS = {"none", "short", "percent", "percentunit", "s", "ms", "ops", "reqps", "bytes"}
"""Those of Grafana's units that make sense here."""

SOURCES = {"$datasource", "${datasource}"}
COUNTING = {"rate", "irate", "increase"}
ON_TIME_RANGE_CHANGE = 2


def template_datasource(board: Board) -> Iterator[str]:
    sources = [variable for variable in board["templating"]["list"] if variable["type"] == "datasource"]
    if [(source["name"], source["label"], source["query"]) for source in sources] != [
        ("datasource", "Data source", "prometheus")
    ]:
        yield "there is not one data source to choose"


def template_job(board: Board) -> Iterator[str]:
    yield from _variable(board, "job")


def template_instance(board: Board) -> Iterator[str]:
    yield from _variable(board, "instance")


def template_label_promql(board: Board) -> Iterator[str]:
    for variable in _queried(board):
        if not re.fullmatch(r"label_values\([a-z_:]+\{[^{}]*\}, [a-z_]+\)", variable["query"]):
            yield f"{variable['name']} is no query for labels"


def template_on_time_change_reload(board: Board) -> Iterator[str]:
    for variable in _queried(board):
        if variable.get("refresh") != ON_TIME_RANGE_CHANGE:
            yield f"{variable['name']} is not renewed with the time range"


def uneditable_dashboard(board: Board) -> Iterator[str]:
    if board["editable"]:
        yield "it can be edited in place, until it is provisioned again"


def panel_datasource(board: Board) -> Iterator[str]:
    for panel in panels(board):
        if {given["datasource"]["uid"] for given in [panel, *panel.get("targets", [])]} - SOURCES:
            yield f"{panel['title']} does not ask the chosen data source"


def panel_title_description(board: Board) -> Iterator[str]:
    for panel in panels(board):
        if not (panel.get("title") and panel.get("description")):
            yield f"{panel['id']} has no title, or no description"


def panel_units(board: Board) -> Iterator[str]:
    for panel in panels(board):
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"{panel['title']} has no unit"


def panel_no_targets(board: Board) -> Iterator[str]:
    for panel in panels(board):
        if not expressions(panel):
            yield f"{panel['title']} asks nothing"


def target_rate_interval(board: Board) -> Iterator[str]:
    for title, expression in _targets(board):
        for selector in selectors(expression):
            if selector.function in {"rate", "irate"} and selector.window != "$__rate_interval":
                yield f"{title} takes the rate over {selector.window}"


def target_job(board: Board) -> Iterator[str]:
    yield from _matched(board, "job")


def target_instance(board: Board) -> Iterator[str]:
    yield from _matched(board, "instance")


def target_counter_agg(board: Board) -> Iterator[str]:
    for title, expression in _targets(board):
        for selector in selectors(expression):
            if selector.metric.endswith(("_total", "_count")) and not (selector.window and selector.function in COUNTING):
                yield f"{title} takes {selector.metric} as it stands"


def target_histogram(board: Board) -> Iterator[str]:
    for title, expression in _targets(board):
        if "_bucket" in expression and not re.match(r"histogram_quantile\([\d.]+, sum by \(le\b", expression):
            yield f"{title} takes buckets, and makes no quantile of them"


def _variable(board: Board, name: str) -> Iterator[str]:
    expected = ("query", name.title(), True, ".+")
    found = [variable for variable in _queried(board) if variable["name"] == name and variable["datasource"]["uid"] in SOURCES]
    if [tuple(variable[key] for key in ("type", "label", "multi", "allValue")) for variable in found] != [expected]:
        yield f"{name} cannot be chosen, several at once, or all"


def _queried(board: Board) -> Iterator[dict[str, Any]]:
    return (variable for variable in board["templating"]["list"] if variable["type"] == "query")


def _targets(board: Board) -> Iterator[tuple[str, str]]:
    return ((panel["title"], expression) for panel in panels(board) for expression in expressions(panel))


def _matched(board: Board, name: str) -> Iterator[str]:
    for title, expression in _targets(board):
        bare = [selector.metric for selector in selectors(expression) if f'{name}=~"${name}"' not in selector.matchers]
        for metric in [*bare, *without_matchers(expression)]:
            yield f"{title} takes {metric} whatever the {name}"


RULES: Mapping[str, Callable[[Board], Iterator[str]]] = {
    "panel-datasource-rule": panel_datasource,
    "panel-no-targets-rule": panel_no_targets,
    "panel-title-description-rule": panel_title_description,
    "panel-units-rule": panel_units,
    "target-counter-agg-rule": target_counter_agg,
    "target-histogram-rule": target_histogram,
    "target-instance-rule": target_instance,
    "target-job-rule": target_job,
    "target-rate-interval-rule": target_rate_interval,
    "template-datasource-rule": template_datasource,
    "template-instance-rule": template_instance,
    "template-job-rule": template_job,
    "template-label-promql-rule": template_label_promql,
    "template-on-time-change-reload-rule": template_on_time_change_reload,
    "uneditable-dashboard": uneditable_dashboard,
}
