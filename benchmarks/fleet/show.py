"""Results of the simulated days: a table, a picture, and JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Table as Grid

from .ledger import Revocation, Summary
from .promises import Promise
from .scenes import Size
from .simulation import Task, Variant

LIMIT = 60
"""Answers 4xx within a minute, above which Prio blocks a client for a minute."""

Summaries = Mapping[Variant, Summary]


def rows(summary: Summary, task: Task) -> list[tuple[str, str]]:
    """One variant's column of the table: what each number is, and the number."""
    outages = {hour for gone, back in task.plan.outages for hour in range(int(gone), math.ceil(back))}
    up = [count for hour, count in enumerate(summary.hours) if hour not in outages]
    away = [count for hour, count in enumerate(summary.hours) if hour in outages]
    return [
        ("token requests", f"{summary.token_requests:,}"),
        ("… in the median hour", f"{statistics.median(summary.hours):,.0f}"),
        ("… in the worst hour with the store up", f"{max(up):,}"),
        ("… in the worst hour with the store away", f"{max(away, default=0):,}"),
        ("… worst second, at a start", f"{summary.worst['start']:,}"),
        ("… worst second, as tokens are due", f"{summary.worst['due']:,}"),
        ("… worst second, after a revocation", f"{summary.worst['revoked']:,}"),
        ("4xx seen", f"{summary.refusals:,}"),
        (f"… worst minute (limit {LIMIT})", f"{summary.worst_minute:,}"),
        *(pair for matter, found in zip(matters(task), summary.revocations, strict=True) for pair in _recovery(matter, found)),
        ("longest wait for a token", f"{summary.longest_wait:.2f} s"),
        ("calls that failed", f"{summary.failed:,}"),
        ("calls with an expired token", f"{summary.expired:,}"),
        ("store: operations in the worst second", f"{summary.store_worst:,}"),
    ]


def _recovery(matter: str, revocation: Revocation) -> list[tuple[str, str]]:
    return [
        (f"revocation, {matter}: 4xx", f"{revocation.refusals:,}"),
        ("… until nobody has a dead token", f"{revocation.recovered:.1f} s"),
        ("… from a refusal to an answer, at most", f"{revocation.slowest:.2f} s"),
    ]


def grid(summaries: Summaries, task: Task) -> Grid:
    """The table."""
    made = Grid(title=title(task), title_justify="left", caption=_assumed(task), caption_justify="left")
    made.add_column("")
    for variant in summaries:
        made.add_column(str(variant), justify="right")
    columns = [rows(summary, task) for summary in summaries.values()]
    for cells in zip(*columns, strict=True):
        made.add_row(cells[0][0], *(number for _, number in cells))
    return made


def promised(promises: list[Promise], size: Size) -> Grid:
    """The table of what real processes did."""
    made = Grid(title=f"{size.processes} real processes", title_justify="left")
    for heading in ("", "", "measured", "promise"):
        made.add_column(heading)
    for before, promise in zip([None, *promises], promises, strict=False):
        scene = promise.scene if before is None or before.scene != promise.scene else ""
        kept = {True: "kept", False: "[bold]not kept[/bold]", None: ""}[promise.kept]
        made.add_row(scene, promise.what, promise.measured, kept)
    return made


def title(task: Task) -> str:
    """Values to show."""
    return f"{task.pods:,} processes, {task.plan.hours} hours, in virtual time"


def matters(task: Task) -> list[str]:
    """Further figures of each revocation."""
    return [_matter(task, hour) for hour in task.plan.revocations]


def _matter(task: Task, hour: float) -> str:
    if any(gone <= hour < back for gone, back in task.plan.outages):
        return "store away"
    return "first leader killed" if hour in task.plan.killed else "all well"


def _assumed(task: Task) -> str:
    assumed = task.conditions
    return (
        f"Each makes {assumed.rate:g} calls a second at random. Tokens live {assumed.lifetime:,.0f} s. A call takes "
        f"{assumed.round_trip:g} s, a token request {assumed.token_round_trip:g} s, an operation of the store "
        f"{assumed.store_round_trip:g} s, or {assumed.store_timeout:g} s while it is away. Seed {task.seed}."
    )


def write_json(summaries: Summaries, task: Task, path: Path) -> None:
    """Every number."""
    document = {
        "pods": task.pods,
        "seed": task.seed,
        "conditions": dataclasses.asdict(task.conditions),
        "plan": dataclasses.asdict(task.plan),
        "days": {str(variant): dataclasses.asdict(summary) for variant, summary in summaries.items()},
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def draw(summaries: Summaries, task: Task, folder: Path) -> list[Path]:
    """The picture, as SVG and as PNG."""
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
        axes.axvspan(gone, back, alpha=0.2, color="red", label="_store away")
    for hours, dashes, label in ((task.plan.deployments, "--", "deployment"), (task.plan.revocations, "-.", "revocation")):
        for hour in hours:
            axes.axvline(hour, linestyle=dashes, color="grey", linewidth=1, label=f"{'_' * (hour != hours[0])}{label}")
    axes.set_yscale("log")
    axes.set_xlabel("hour (red: the store is away)")
    axes.set_ylabel("token requests in the hour")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _colour(variant: Variant) -> str:
    return "C0" if variant.sharing else "C1"


def _recoveries(axes: Any, summaries: Summaries, task: Task) -> None:
    width = 0.8 / len(summaries)
    for place, (variant, summary) in enumerate(summaries.items()):
        heights = [max(revocation.recovered, 0.01) for revocation in summary.revocations]
        places = [number + place * width for number in range(len(heights))]
        hatch = None if variant.jitter else "//"
        axes.bar(places, heights, width, label=str(variant), color=_colour(variant), hatch=hatch, edgecolor="white")
    axes.set_yscale("log")
    axes.set_xticks([number + 0.4 - width / 2 for number in range(len(task.plan.revocations))], matters(task))
    axes.set_ylabel("seconds until nobody has a revoked token")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
