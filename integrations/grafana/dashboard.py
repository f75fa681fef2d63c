"""The dashboard as code.

``python -m integrations.grafana.dashboard > integrations/grafana/prio-middleware.json``, in the root of the repository.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueGraphMode, LegendDisplayMode, LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

from integrations.grafana.panels import ROWS, Look, Query
from integrations.grafana.queries import CREDENTIAL, USAGE

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24  # of Grafana's grid
RUNBOOKS = "https://docs.example.com/prio-middleware/runbooks/index.html"


def build() -> str:
    """The dashboard, as Grafana imports it."""
    board = (
        dashboard.Dashboard("prio-middleware")
        .uid("prio-middleware")
        .description("The life of OAuth 2.0 tokens in every process: do calls get them, how, and what does the API answer?")
        .tags(["oauth2", "prio-middleware"])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-3h", "now")
        .refresh("30s")
        .link(dashboard.DashboardLink("Runbooks").type(DashboardLinkType.LINK).url(RUNBOOKS).target_blank(target_blank=True))
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_variable("job", "Job", "job"))
        .with_variable(_variable("instance", "Instance", "instance", 'job=~"$job"'))
        .with_variable(_variable("credential", "Credential", CREDENTIAL, 'job=~"$job", instance=~"$instance"'))
    )
    ids = itertools.count(1)
    for row in ROWS:
        board.with_row(dashboard.Row(row.title).id(next(ids)))
        for look in row.looks:
            board.with_panel((_figure(look, len(row.looks)) if row.figures else _curve(look)).id(next(ids)))
    return JSONEncoder(indent=2, sort_keys=True).encode(board.build()) + "\n"


def _variable(name: str, label: str, values_of: str, matchers: str = "") -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(f"label_values({USAGE}{{{matchers}}}, {values_of})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _figure(look: Look, beside: int) -> stat.Panel:
    """The latest value, in large."""
    panel = (
        stat.Panel()
        .title(look.title)
        .description(look.description)
        .datasource(SOURCE)
        .unit(look.unit)
        .height(6)
        .span(WIDTH // beside)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(look))
    )
    for query, name in _named(look.queries):
        panel.with_target(_target(query, name).instant())
    return panel


def _curve(look: Look) -> timeseries.Panel:
    """Values over time."""
    legend = (
        common.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )
    panel = (
        timeseries.Panel()
        .title(look.title)
        .description(look.description)
        .datasource(SOURCE)
        .unit(look.unit)
        .height(8)
        .span(WIDTH // 2)
        .fill_opacity(8)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for query, name in _named(look.queries):
        panel.with_target(_target(query, name).range())
    return panel


def _thresholds(look: Look) -> dashboard.ThresholdsConfig:
    """Green, orange and red, in the order in which they are crossed from below."""
    config = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE)
    if look.limits is None:
        return config.steps([Threshold(color="green")])
    noteworthy, bad = look.limits
    colors = ("green", "orange", "red") if noteworthy < bad else ("red", "orange", "green")
    values = (None, *sorted(look.limits))
    return config.steps([Threshold(value=value, color=color) for value, color in zip(values, colors, strict=True)])


def _target(query: Query, name: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(SOURCE).ref_id(name).expr(query.expression).legend_format(query.legend)


def _named(queries: Sequence[Query]) -> zip[tuple[Query, str]]:
    """Each query with the letter that Grafana knows it by."""
    return zip(queries, "ABCDEFGH", strict=False)


if __name__ == "__main__":
    sys.stdout.write(build())
