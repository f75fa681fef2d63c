"""Grafana dashboard as code.

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

from integrations.grafana.panels import ROWS, Panel, Query
from integrations.grafana.queries import ANNOTATIONS, CREDENTIAL, WITHOUT_TOKEN

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24  # of Grafana's grid
RUNBOOKS = "https://docs.example.com/prio-middleware/runbooks/index.html"


def build() -> str:
    """Return the dashboard as JSON for Grafana's import."""
    board = (
        dashboard.Dashboard("prio-middleware")
        .uid("prio-middleware")
        .description("OAuth 2.0 tokens in every process: acquisitions, fetches, and responses of the API.")
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
    for name, (color, query) in ANNOTATIONS.items():
        board.annotation(
            dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(enable=True).icon_color(color).expr(query)
        )
    ids = itertools.count(1)
    for row in ROWS:
        board.with_row(dashboard.Row(row.title).id(next(ids)))
        for panel in row.panels:
            made = _figure(panel, len(row.panels)) if row.figures else _curve(panel)
            board.with_panel(made.id(next(ids)))
    return JSONEncoder(indent=2, sort_keys=True).encode(board.build()) + "\n"


def _variable(name: str, label: str, values_of: str, matchers: str = "") -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(f"label_values({WITHOUT_TOKEN}{{{matchers}}}, {values_of})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".+")
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )


def _figure(panel: Panel, beside: int) -> stat.Panel:
    """Return a panel with the latest value."""
    built = (
        stat.Panel()
        .title(panel.title)
        .description(panel.description)
        .datasource(SOURCE)
        .unit(panel.unit)
        .height(6)
        .span(WIDTH // beside)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(panel))
    )
    for query, name in _named(panel.queries):
        built.with_target(_target(query, name).instant())
    return built


def _curve(panel: Panel) -> timeseries.Panel:
    """Return a panel with values over time."""
    legend = (
        common.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
    )
    built = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.description)
        .datasource(SOURCE)
        .unit(panel.unit)
        .height(8)
        .span(WIDTH // 2)
        .fill_opacity(8)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    for query, name in _named(panel.queries):
        built.with_target(_target(query, name).range())
    return built


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    """Return green, orange and red thresholds, in rising order of their values."""
    config = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE)
    if panel.limits is None:
        return config.steps([Threshold(color="green")])
    noteworthy, bad = panel.limits
    colors = ("green", "orange", "red") if noteworthy < bad else ("red", "orange", "green")
    values = (None, *sorted(panel.limits))
    return config.steps([Threshold(value=value, color=color) for value, color in zip(values, colors, strict=True)])


def _target(query: Query, name: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().datasource(SOURCE).ref_id(name).expr(query.expression).legend_format(query.legend)


def _named(queries: Sequence[Query]) -> zip[tuple[Query, str]]:
    """Return each query with its letter in Grafana."""
    return zip(queries, "ABCDEFGH", strict=False)


if __name__ == "__main__":
    sys.stdout.write(build())
