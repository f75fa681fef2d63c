"""Runs the Python blocks of one page, in a process of their own: ``python run_page.py < blocks.json``.

A block with a title is a file: it is written to the working directory, and has to be imported by what follows. All other blocks
share one namespace, from the top of the page to its end; a coroutine function ``main`` is run as soon as it is there.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from pathlib import Path
from typing import Any


def main(blocks: list[dict[str, Any]], directory: Path) -> None:
    """Write the files, then run what is none."""
    files = [block for block in blocks if block["title"]]
    for file in files:
        path = directory / file["title"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_in_its_place(file))
    sys.path.insert(0, str(directory))
    _run([block for block in blocks if not block["title"]])
    imported = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    unused = [file["title"] for file in files if str(directory / file["title"]) not in imported]
    if unused:
        sys.exit(f"Written, and imported by nothing on the page: {', '.join(unused)}")


def _run(blocks: list[dict[str, Any]]) -> None:
    names: dict[str, Any] = {"__name__": "__page__"}
    for block in blocks:
        names.pop("main", None)
        exec(compile(_in_its_place(block), block["page"], "exec"), names)
        example: Any = names.get("main")
        if inspect.iscoroutinefunction(example):
            asyncio.run(example())


def _in_its_place(block: dict[str, Any]) -> str:
    """The code with as many lines before it as on the page: a traceback names the page's line."""
    before = "\n" * (int(block["line"]) - 1)
    return f"{before}{block['code']}"


if __name__ == "__main__":
    main(json.load(sys.stdin), Path.cwd())
