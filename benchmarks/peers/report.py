"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from .measuring import Estimate
from .table import Column, Row, Table, Value

PACKAGES = ("prio-middleware", "httpx", "httpx2", "Authlib", "httpx-auth", "requests-oauth2client", "azure-core", "google-auth")


def show(table: Table, console: Console) -> None:
    """Print one table, and how it was measured."""
    grid = Grid(title=table.title, title_justify="left", caption=" ".join(table.method.split()), caption_justify="left")
    for heading in ("", "over", *([table.sizes] if table.sizes else [])):
        grid.add_column(heading, justify="right" if heading == table.sizes else "left")
    for column in table.columns.values():
        grid.add_column(column.title, justify="right")
    if any(row.why for row in table.rows):
        grid.add_column("")
    for row in table.rows:
        grid.add_row(*_cells(table, row), style="bold" if row.role == "ours" else "dim" if row.role == "floor" else None)
    console.print(grid)
    console.print()


def _cells(table: Table, row: Row) -> list[str]:
    size = [f"{row.size:,}"] if row.size is not None else []
    numbers = [_number(row.values.get(name), column) for name, column in table.columns.items()]
    return [row.name, row.stack, *size, *numbers, *([row.why] if row.why else [])]


def _number(value: Value | None, column: Column) -> str:
    if value is None:
        return "-"
    if not isinstance(value, Estimate):
        return f"{value:,.{column.digits}f}"
    return f"{value.middle:,.{column.digits}f} ({value.low:,.{column.digits}f} to {value.high:,.{column.digits}f})"


def conditions() -> dict[str, Any]:
    """Describe the machine and the versions."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def write_json(tables: Iterable[Table], effort: object, path: Path) -> None:
    """Write everything into one file."""
    document = {"conditions": conditions(), "effort": effort, "tables": [table.to_json() for table in tables]}
    path.write_text(json.dumps(document, indent=1, default=str) + "\n")


def write_text(tables: Iterable[Table], path: Path) -> None:
    """Write the tables as they are printed."""
    with path.open("w") as file:
        console = Console(file=file, width=180)
        for table in tables:
            show(table, console)
