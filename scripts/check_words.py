"""Check of docstrings and comments: ``python -m scripts.check_words [FOLDER ...]`` prints each place that breaks a rule.

A docstring opens with a verb or a noun phrase, never with a question word. Neither docstrings nor comments hold a phrase that
leaves open who acts, or that has to be read twice.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("prio_middleware", "tests", "benchmarks", "integrations", "scripts")

QUESTION_WORD = re.compile(r"(what|where|how|whether|who|whoever|whose|why|when|which|whatever)\b", re.IGNORECASE)

BANNED = re.compile(
    r"\b(somebody|nobody|everybody|whoever|he|him|his|of ours|of theirs|of one's own|in vain|for want of|by whatever|"
    r"so many|lot of|be it|set out to|does away|bring it|has no say|have a say|goes without saying|says? so|said so|is said|"
    r"(may|can|could) be had|had in|makes? do|come by|came by|the one that|what is asked|what there is|"
    r"who (asks|waits|needs))\b",
    re.IGNORECASE,
)


def main() -> int:
    """Print what breaks the rules. Return 1 if anything does."""
    folders = sys.argv[1:] or FOLDERS
    files = [
        file
        for folder in folders
        for file in sorted(Path(folder).rglob("*.py"))
        if file != Path(__file__).relative_to(Path.cwd())
    ]
    found = [f"{file}:{line}: {problem}" for file in files for line, problem in problems(file.read_text())]
    print("\n".join(found) or f"{len(files)} files, nothing found.")
    return bool(found)


def problems(source: str) -> Iterator[tuple[int, str]]:
    """Find what breaks the rules: the line, and the problem."""
    for line, text in docstrings(ast.parse(source)):
        if found := QUESTION_WORD.match(text.strip()):
            yield line, f"a docstring opens with {found.group()!r}"
        yield from banned(line, text)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from banned(token.start[0], token.string)


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Find docstrings, of attributes too: the line, and the text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                value = statement.value if isinstance(statement, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield statement.lineno, value.value


def banned(line: int, text: str) -> Iterator[tuple[int, str]]:
    """Find banned phrases in ``text``, which begins at ``line``."""
    for found in BANNED.finditer(text):
        yield line + text.count("\n", 0, found.start()), f"{found.group()!r} is banned"


if __name__ == "__main__":
    sys.exit(main())
