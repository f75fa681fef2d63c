"""Writes docs/images/dashboard.png from the dashboard's own queries: ``python -m scripts.dashboard_picture``.

It runs the busy application with faults and a Prometheus for a minute, and draws each panel in Chromium. It draws plain curves:
colors, units and layout of Grafana differ.
"""

from __future__ import annotations

import html
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scripts.headless import chromium, look_like, missing
from tests.long.integrations.grafana.board import board, panels, substituted
from tests.long.integrations.prometheus.test_live import legend
from tests.long.integrations.prometheus.world import SCRAPE_INTERVAL, Series, busy, prometheus
from tests.web.servers import free_port

FILE = Path(__file__).parents[1] / "docs" / "images" / "dashboard.png"

SECONDS = 60
"""Duration of the run, in which the faults last as long as an hour of alerts: a minute is a second."""

WIDTH, HEIGHT = 520, 170

COLORS = ("#3b7ddd", "#d9534f", "#2e9e6b", "#b8860b", "#8a5cd6", "#0f8b8d", "#c2528b", "#6b7280")

STYLE = """body{font:13px sans-serif;margin:16px;width:1120px;color:#1f2937;background:#fff}
main{display:flex;flex-wrap:wrap;gap:12px}section{width:540px;border:1px solid #d1d5db;border-radius:4px;padding:8px;
box-sizing:border-box}h2{font-size:13px;margin:0 0 4px}p{margin:4px 0 0;font-size:11px}"""


def main() -> int:
    """Take the picture. Returns the exit status."""
    binary, obstacle = shutil.which("prometheus"), missing()
    if obstacle or binary is None:
        sys.stderr.write(f"{obstacle or 'not installed: prometheus'}\n")
        return 1
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        prometheus(binary, Path(folder), {"shop": port}) as seen,
        busy(Path(folder), "shop", port, "--trouble"),
    ):
        time.sleep(SECONDS)
        variables = {
            **dict.fromkeys(("job", "instance", "credential"), ".+"),
            "__rate_interval": f"{4 * SCRAPE_INTERVAL:.0f}s",
            "__range": f"{seen.age}s",
        }
        drawn = []
        for panel in panels(board()):
            queries = [(target["legendFormat"], substituted(target["expr"], variables)) for target in panel["targets"]]
            found = [(legend(name, series), series) for name, query in queries for series in seen.ask_since_start(query)]
            found = [(name, series) for name, series in found if any(series.values)] or found[:1]
            if found:
                drawn.append(_panel(panel, found, time.time() - seen.age, time.time()))
    page = f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><main>{''.join(drawn)}</main>"
    with tempfile.NamedTemporaryFile("w", suffix=".html") as file, chromium() as browser:
        file.write(page)
        file.flush()
        browser.get(f"file://{file.name}")
        look_like(browser, width=1152, height=100)
        look_like(browser, width=1152, height=int(browser.execute_script("return document.documentElement.scrollHeight")))
        browser.save_screenshot(str(FILE))
    return 0


def _panel(panel: dict[str, Any], found: list[tuple[str, Series]], began: float, ended: float) -> str:
    values = [value for _, series in found for value in series.values]
    low, high = min(0.0, *values), max(0.0, *values)
    span = (high - low) or 1.0
    curves, names = [], []
    for number, (name, series) in enumerate(found):
        color = COLORS[number % len(COLORS)]
        points = " ".join(
            f"{(moment - began) / (ended - began) * WIDTH:.1f},{HEIGHT - (value - low) / span * HEIGHT:.1f}"
            for moment, value in zip(series.moments, series.values, strict=True)
        )
        curves.append(f'<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{points}"/>')
        names.append(f'<span style="color:{color}">{html.escape(name)} {series.values[-1]:.3g}</span>')
    return (
        f"<section><h2>{html.escape(panel['title'])}</h2>"
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 -4 {WIDTH} {HEIGHT + 8}">{"".join(curves)}</svg>'
        f"<p>{low:.3g} to {high:.3g} &nbsp; {' &nbsp; '.join(names)}</p></section>"
    )


if __name__ == "__main__":
    sys.exit(main())
