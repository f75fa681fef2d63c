"""Picture of the dashboard, drawn from its own queries and a run with faults. Grafana's fonts, colors and tooltips differ."""

from __future__ import annotations

import html
import math
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scripts.headless import chromium, look_like
from tests.long.integrations.grafana.board import board
from tests.long.integrations.prometheus.world import FACTOR, SCRAPE_INTERVAL, Prometheus, Series, busy, prometheus, results
from tests.redis_servers import serve
from tests.web.servers import free_port

SECONDS = (25, 10, 30)
"""Parts of the run, on a scale of time on which a minute takes a second. In the second part, the shared store is stopped."""

RATE_SECONDS = 5.0
"""Value of ``$__rate_interval``, longer than the shortest possible, for calm curves."""

GAP_SECONDS = 3 * SCRAPE_INTERVAL
"""Time without a value after which a curve is interrupted."""

WIDTH, HEIGHT = 480, 130
"""Size of the plot in pixels, without the labels of its axes."""

LABELS_WIDTH, LABELS_HEIGHT = 52, 18

COLORS = (
    *("#3b7ddd", "#d9534f", "#2e9e6b", "#b8860b", "#8a5cd6", "#0f8b8d"),
    *("#c2528b", "#6b7280", "#e07b39", "#4f8a10", "#1f4e79", "#a0522d"),
)

THRESHOLD_COLORS = {"green": "#1f7a4d", "orange": "#b45309", "red": "#b91c1c"}

STYLE = """body{font:13px sans-serif;margin:16px;width:1120px;color:#1f2937;background:#fff}
h1{font-size:15px;margin:18px 0 8px}main{display:flex;flex-wrap:wrap;gap:12px}
section{width:554px;border:1px solid #d1d5db;border-radius:4px;padding:8px 10px;box-sizing:border-box}
section.figures{width:271px}h2{font-size:13px;margin:0 0 6px}p{margin:6px 0 0;font-size:12px;line-height:1.5}
p span{margin-right:12px;white-space:nowrap}i{display:inline-block;width:14px;height:3px;margin:0 5px 3px 0}
dl{display:grid;grid-template-columns:auto auto;gap:3px 12px;margin:0}dd{margin:0;text-align:right;font-weight:bold}
text{font-size:11px;fill:#6b7280}line{stroke:#e5e7eb}"""


def take(folder: Path) -> None:
    """Write ``dashboard.png`` after a run of a minute. Needs Prometheus, redis-server and Chromium."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as scratch,
        prometheus(str(shutil.which("prometheus")), Path(scratch), {"shop": port}) as seen,
        serve("redis-server", Path(scratch)) as store,
        busy(Path(scratch), "shop", port, "--trouble", f"--redis={store.port}"),
    ):
        before, without_store, after = SECONDS
        time.sleep(before)
        store.stop()
        time.sleep(without_store)
        store.start()
        time.sleep(after)
        document = page(seen)
    photograph(document, folder / "dashboard.png")


def photograph(document: str, file: Path) -> None:
    """Write a picture of an HTML document."""
    with tempfile.NamedTemporaryFile("w", suffix=".html") as source, chromium() as browser:
        source.write(document)
        source.flush()
        browser.get(f"file://{source.name}")
        look_like(browser, width=1152, height=100)
        look_like(browser, width=1152, height=int(browser.execute_script("return document.documentElement.scrollHeight")))
        browser.save_screenshot(str(file))


def page(seen: Prometheus) -> str:
    """Return the dashboard as HTML, with the values since the start of the run."""
    parts = []
    for panel in board()["panels"]:
        title = html.escape(panel["title"])
        if panel["type"] == "row":
            parts.append(f"</main><h1>{title}</h1><main>")
            continue
        found = [(name, series) for name, series in results(panel, seen, RATE_SECONDS) if series.values]
        if panel["type"] == "stat":
            parts.append(f'<section class="figures"><h2>{title}</h2>{_figures(panel, found)}</section>')
        else:
            parts.append(f"<section><h2>{title}</h2>{_curves(panel, found, seen.began)}</section>")
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><main>{''.join(parts)}</main>"


def _figures(panel: dict[str, Any], found: Sequence[tuple[str, Series]]) -> str:
    defaults = panel["fieldConfig"]["defaults"]
    rows = []
    for name, series in found:
        value = series.values[-1]
        steps = defaults["thresholds"]["steps"]
        color = [step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]
        shown = readable(value, defaults["unit"])
        rows.append(f'<dt>{html.escape(name)}</dt><dd style="color:{THRESHOLD_COLORS[color]}">{shown}</dd>')
    return f"<dl>{''.join(rows)}</dl>"


def _curves(panel: dict[str, Any], found: Sequence[tuple[str, Series]], began: float) -> str:
    """Return the curves that differ from zero, or one of the others, with axes and a legend."""
    found = [(name, series) for name, series in found if any(series.values)] or found[:1]
    values = [value for _, series in found for value in series.values]
    ticks = _ticks(min([0.0, *values]), max([0.0, *values]))
    low, span, duration = ticks[0], ticks[-1] - ticks[0], float(sum(SECONDS))
    unit = panel["fieldConfig"]["defaults"]["unit"]
    marks = []
    for tick in ticks:
        y = HEIGHT - (tick - low) / span * HEIGHT
        marks.append(f'<line x1="0" x2="{WIDTH}" y1="{y}" y2="{y}"/>')
        marks.append(f'<text x="-6" y="{y + 4}" text-anchor="end">{readable(tick, unit)}</text>')
    marks += [
        f'<text x="{second / duration * WIDTH:.0f}" y="{HEIGHT + LABELS_HEIGHT - 3}">{second * FACTOR // 60} min</text>'
        for second in range(0, int(duration) - 4, 10)
    ]
    names = []
    for number, (name, series) in enumerate(found):
        color = COLORS[number % len(COLORS)]
        path = "".join(
            f"{'M' if starts else 'L'}{(moment - began) / duration * WIDTH:.1f},{HEIGHT - (value - low) / span * HEIGHT:.1f}"
            + ("h3" if starts else "")  # A single point would be invisible.
            for starts, moment, value in _points(series)
        )
        marks.append(f'<path fill="none" stroke="{color}" stroke-width="1.8" stroke-linecap="round" d="{path}"/>')
        names.append(f'<span><i style="background:{color}"></i>{html.escape(name)}</span>')
    box = f"{-LABELS_WIDTH} -6 {LABELS_WIDTH + WIDTH} {HEIGHT + LABELS_HEIGHT + 6}"
    size = f'width="{LABELS_WIDTH + WIDTH}" height="{HEIGHT + LABELS_HEIGHT + 6}"'
    return f'<svg {size} viewBox="{box}">{"".join(marks)}</svg><p>{"".join(names)}</p>'


def _ticks(low: float, high: float) -> list[float]:
    """Return the values beside the vertical axis: three to five multiples of a round number, which enclose all values."""
    rough = (high - low) / 3 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    return [step * number for number in range(math.floor(low / step), max(math.ceil(high / step), 1) + 1)]


def _points(series: Series) -> Iterator[tuple[bool, float, float]]:
    """Yield the points of a curve, each with True if a new part begins there."""
    last = float("-inf")
    for moment, value in zip(series.moments, series.values, strict=True):
        yield moment - last > GAP_SECONDS, moment, value
        last = moment


def readable(value: float, unit: str) -> str:
    """Return a value with Grafana's ``unit``, in three digits."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s" and abs(value) < 1 and value:
        return f"{value * 1000:.3g} ms"
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return number + {"s": " s", "ops": "/s", "reqps": "/s"}.get(unit, "")
