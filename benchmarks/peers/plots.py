"""One picture for each table: how each subject grows, or where it stands."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from .measuring import Estimate
from .table import Row, Table, middle

STYLES = {"ours": "-o", "peer": "--s", "floor": ":^"}


def draw(table: Table, folder: Path) -> list[Path]:
    """Write the picture as SVG and as PNG. Returns their paths."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = table.name  # Equal numbers make equal files.
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 5), layout="constrained")
    rows = [row for row in table.rows if table.plot in row.values]
    (_lines if table.sizes else _bars)(axes, table, rows)
    axes.set_title(table.title)
    paths = [folder / f"{table.name}.svg", folder / f"{table.name}.png"]
    for path in paths:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
    return paths


def _lines(axes: Any, table: Table, rows: list[Row]) -> None:
    series: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        series[row.role, f"{row.name} ({row.stack})"].append(row)
    for (role, label), points in series.items():
        heights = [middle(row.values[table.plot]) for row in points]
        axes.plot([row.size for row in points], heights, STYLES[role], label=label)
    axes.set_xscale("log")
    axes.set_yscale("symlog" if any(middle(row.values[table.plot]) < 1 for row in rows) else "log")
    axes.set_xlabel(table.sizes)
    axes.set_ylabel(table.columns[table.plot].title)
    axes.legend()


def _bars(axes: Any, table: Table, rows: list[Row]) -> None:
    values = [row.values[table.plot] for row in rows]
    middles = [middle(value) for value in values]
    estimates = [value if isinstance(value, Estimate) else Estimate(value, value, value) for value in values]
    ends = [(value.middle - value.low, value.high - value.middle) for value in estimates]
    axes.barh([f"{row.name} ({row.stack})" for row in rows], middles, xerr=list(zip(*ends, strict=True)))
    axes.invert_yaxis()
    axes.set_xlabel(table.columns[table.plot].title)
