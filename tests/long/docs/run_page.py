"""Runs the Python blocks of one page, in a process of their own: ``python run_page.py < blocks.json``.

A block with a title is a file: it is written to the working directory. If one is called ``test_*.py``, pytest runs it, and
imports what it needs; on other pages, something has to import every file. All other blocks share one namespace, from the top of
the page to its end; a coroutine function ``main`` is run as soon as it is there.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

PYTEST = ["-p", "no:prio_middleware", "-p", "prio_middleware.testing.plugin", "-p", "no:cacheprovider", "-W", "error", "-q"]
"""The fixtures for users, whether or not the environment has them registered."""


def main(blocks: list[dict[str, Any]], directory: Path) -> None:
    """Write the files, then run what is none, then the tests."""
    # Examples cause failures, and the library logs them: on standard error, an example writes warnings of Python only.
    logging.getLogger("prio_middleware").addHandler(logging.NullHandler())
    files = [block for block in blocks if block["title"]]
    for file in files:
        path = directory / file["title"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_in_its_place(file))
    sys.path.insert(0, str(directory))
    _run([block for block in blocks if not block["title"]])
    if any(file["title"].startswith("test_") for file in files):
        subprocess.run([sys.executable, "-m", "pytest", *PYTEST], check=True)
    else:
        _check_imported(file["title"] for file in files)


def _run(blocks: list[dict[str, Any]]) -> None:
    page = sys.modules["__page__"] = ModuleType("__page__")  # Some packages look a function's module up.
    names = vars(page)
    for block in blocks:
        names.pop("main", None)
        exec(compile(_in_its_place(block), block["page"], "exec"), names)
        example: Any = names.get("main")
        if inspect.iscoroutinefunction(example):
            asyncio.run(example())


def _check_imported(files: Iterable[str]) -> None:
    imported = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    unused = [file for file in files if str(Path.cwd() / file) not in imported]
    if unused:
        sys.exit(f"Written, and imported by nothing on the page: {', '.join(unused)}")


def _in_its_place(block: dict[str, Any]) -> str:
    """The code with as many lines before it as on the page: a traceback names the page's line."""
    before = "\n" * (int(block["line"]) - 1)
    return f"{before}{block['code']}"


if __name__ == "__main__":
    main(json.load(sys.stdin), Path.cwd())
