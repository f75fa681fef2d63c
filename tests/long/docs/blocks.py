"""The fenced blocks of a page: what the tests run."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]

BESIDE_THE_DOCS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
INTEGRATIONS = (ROOT / "integrations").glob("*/README.md")

PAGES = sorted(page.relative_to(ROOT) for page in [*BESIDE_THE_DOCS, *INTEGRATIONS, *(ROOT / "docs").rglob("*.md")])
"""Every page that a reader may copy from, relative to the root."""

_FENCE = re.compile(
    r"""
    ^(?P<indent>[ ]*)```(?P<language>\w+)(?:[ ]title="(?P<title>[^"\n]+)")?[^\n]*\n
    (?P<code>.*?)
    ^(?P=indent)```[ ]*$
    """,
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        page: the page it stands on, relative to the root.
        line: the line of its first line of code there.
        language: what the fence names.
        code: what is in it.
        title: the name of its file, if it has one.
    """

    page: Path
    line: int
    language: str
    code: str
    title: str | None


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of ``page`` in ``language``."""
    return [block for block in all_blocks(page) if block.language == language]


def all_blocks(page: Path) -> Iterator[Block]:
    """The blocks of ``page``, from its top to its end."""
    text = (ROOT / page).read_text()
    for found in _FENCE.finditer(text):
        yield Block(
            page,
            text.count("\n", 0, found.start("code")) + 1,
            found["language"],
            textwrap.dedent(found["code"]),
            found["title"],
        )
