"""Results as tables, plots and JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table

from .assertions import Assertion
from .scenarios import Size
from .simulation import Task, Variant
from .stats import Revocation, Summary

LIMIT = 60
"""Answers 4xx within a minute, above which Prio blocks a client for a minute."""

Summaries = Mapping[Variant, Summary]


def rows(summary: Summary, task: Task) -> list[tuple[str, str]]:
    """Return the labels and values of one variant's column."""
    outages = {hour for gone, back in task.plan.outages for hour in range(int(gone), math.ceil(back))}
    up = [count for hour, count in enumerate(summary.hours) if hour not in outages]
    down = [count for hour, count in enumerate(summary.hours) if hour in outages]
    return [
        ("token requests", f"{summary.token_requests:,}"),
        ("… in the median hour", f"{statistics.median(summary.hours):,.0f}"),
        ("… in the worst hour with the store up", f"{max(up):,}"),
        ("… in the worst hour with the store down", f"{max(down, default=0):,}"),
        ("… worst second, at a start", f"{summary.worst['start']:,}"),
        ("… worst second, as tokens are due", f"{summary.worst['due']:,}"),
        ("… worst second, after a revocation", f"{summary.worst['revoked']:,}"),
        ("4xx responses", f"{summary.rejections:,}"),
        (f"… worst minute (limit {LIMIT})", f"{summary.worst_minute:,}"),
        *(
            row
            for label, revocation in zip(revocation_labels(task), summary.revocations, strict=True)
            for row in _recovery(label, revocation)
        ),
        ("longest wait for a token", f"{summary.longest_wait:.2f} s"),
        ("calls that failed", f"{summary.failed:,}"),
        ("calls with an expired token", f"{summary.expired:,}"),
        ("store: operations in the worst second", f"{summary.store_worst:,}"),
    ]


def _recovery(label: str, revocation: Revocation) -> list[tuple[str, str]]:
    return [
        (f"revocation, {label}: 4xx", f"{revocation.rejections:,}"),
        ("… until no process has a revoked token", f"{revocation.recovered:.1f} s"),
        ("… from a rejection to a response, at most", f"{revocation.slowest:.2f} s"),
    ]


def summary_table(summaries: Summaries, task: Task) -> Table:
    """Return the table of the simulated days."""
    table = Table(title=title(task), title_justify="left", caption=_conditions(task), caption_justify="left")
    table.add_column("")
    for variant in summaries:
        table.add_column(str(variant), justify="right")
    columns = [rows(summary, task) for summary in summaries.values()]
    for cells in zip(*columns, strict=True):
        table.add_row(cells[0][0], *(number for _, number in cells))
    return table


def assertion_table(assertions: list[Assertion], size: Size) -> Table:
    """Return the table of the scenarios with real processes."""
    table = Table(title=f"{size.processes} real processes", title_justify="left")
    for heading in ("", "", "measured", "result"):
        table.add_column(heading)
    for before, assertion in zip([None, *assertions], assertions, strict=False):
        scenario = assertion.scenario if before is None or before.scenario != assertion.scenario else ""
        result = {True: "passed", False: "[bold]failed[/bold]", None: ""}[assertion.passed]
        table.add_row(scenario, assertion.what, assertion.measured, result)
    return table


def title(task: Task) -> str:
    """Return the title of the table and the plot."""
    return f"{task.processes:,} processes, {task.plan.hours} hours, in virtual time"


def revocation_labels(task: Task) -> list[str]:
    """Return the label of each revocation."""
    return [_revocation_label(task, hour) for hour in task.plan.revocations]


def _revocation_label(task: Task, hour: float) -> str:
    if any(gone <= hour < back for gone, back in task.plan.outages):
        return "store down"
    return "first leader killed" if hour in task.plan.killed else "all well"


def _conditions(task: Task) -> str:
    conditions = task.conditions
    return (
        f"Each process makes {conditions.rate:g} calls a second at random. Tokens live {conditions.lifetime:,.0f} s. "
        f"A call takes {conditions.round_trip:g} s, a token request {conditions.token_round_trip:g} s, a store operation "
        f"{conditions.store_round_trip:g} s, or {conditions.store_timeout:g} s while the store is down. Seed {task.seed}."
    )


def write_json(summaries: Summaries, task: Task, path: Path) -> None:
    """Write every number as JSON."""
    document = {
        "processes": task.processes,
        "seed": task.seed,
        "conditions": dataclasses.asdict(task.conditions),
        "plan": dataclasses.asdict(task.plan),
        "days": {str(variant): dataclasses.asdict(summary) for variant, summary in summaries.items()},
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def draw(summaries: Summaries, task: Task, folder: Path) -> list[Path]:
    """Draw the plot as SVG and PNG. Return the paths."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "fleet"  # Equal numbers make equal files.
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, figsize=(10, 8), layout="constrained")
    figure.suptitle(title(task))
    _hours(above, summaries, task)
    _recoveries(below, summaries, task)
    paths = [folder / "fleet.svg", folder / "fleet.png"]
    for path in paths:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(figure)
    return paths


def _hours(axes: Any, summaries: Summaries, task: Task) -> None:
    for variant, summary in summaries.items():
        style: dict[str, Any] = {
            "linestyle": "-" if variant.jitter else ":",
            "linewidth": 2,
            "color": _colour(variant),
        }
        axes.step(range(task.plan.hours), summary.hours, where="post", label=str(variant), **style)
    for gone, back in task.plan.outages:
        axes.axvspan(gone, back, alpha=0.2, color="red", label="_store down")
    for hours, dashes, label in ((task.plan.deployments, "--", "deployment"), (task.plan.revocations, "-.", "revocation")):
        for hour in hours:
            axes.axvline(hour, linestyle=dashes, color="grey", linewidth=1, label=f"{'_' * (hour != hours[0])}{label}")
    axes.set_yscale("log")
    axes.set_xlabel("hour (red: the store is down)")
    axes.set_ylabel("token requests in the hour")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _colour(variant: Variant) -> str:
    return "C0" if variant.sharing else "C1"


def _recoveries(axes: Any, summaries: Summaries, task: Task) -> None:
    width = 0.8 / len(summaries)
    for index, (variant, summary) in enumerate(summaries.items()):
        heights = [max(revocation.recovered, 0.01) for revocation in summary.revocations]
        positions = [number + index * width for number in range(len(heights))]
        hatch = None if variant.jitter else "//"
        axes.bar(positions, heights, width, label=str(variant), color=_colour(variant), hatch=hatch, edgecolor="white")
    axes.set_yscale("log")
    axes.set_xticks([number + 0.4 - width / 2 for number in range(len(task.plan.revocations))], revocation_labels(task))
    axes.set_ylabel("seconds until no process has a revoked token")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
