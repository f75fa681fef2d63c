"""The dashboard that is checked in is the one in the code, and Prometheus understands what it asks."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from integrations.grafana import dashboard
from integrations.grafana.panels import ROWS
from tests.long.integrations.grafana.board import FILE, board, expressions, panels, substituted
from tests.long.integrations.prometheus.test_rules import needs_promtool, promtool

VARIABLES = {"job": ".+", "instance": ".+", "credential": ".+", "__rate_interval": "1m", "__range": "3h"}


def test_the_file_is_the_one_that_the_code_makes() -> None:
    assert FILE.read_text() == dashboard.build(), f"Make it anew: {(dashboard.__doc__ or '').splitlines()[2]}"


def test_every_panel_is_on_it() -> None:
    assert [panel["title"] for panel in panels(board())] == [panel.title for row in ROWS for panel in row.panels]


@needs_promtool
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    annotations = [annotation["expr"] for annotation in board()["annotations"]["list"]]
    queries = [expression for panel in panels(board()) for expression in expressions(panel)]
    asked = [substituted(expression, VARIABLES) for expression in (*queries, *annotations)]
    records = [{"record": f"query:{number}", "expr": expression} for number, expression in enumerate(asked)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))

    assert f"{len(asked)} rules found" in promtool("check", "rules", "--lint=none", file)


@pytest.mark.parametrize("query", ["$unknown", "rate(x[$interval])"])
def test_no_variable_is_left_standing(query: str) -> None:
    with pytest.raises(KeyError):
        substituted(query, VARIABLES)
