"""The commands in the shell blocks: whether what they name is there."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import typer

from prio_middleware.cli.commands import app
from prio_middleware.settings.client import TOP_LEVEL_KEYS
from prio_middleware.settings.layers import variable
from tests.long.docs.blocks import PAGES, ROOT, all_blocks

SOURCES = ("config", "env_file", "secrets_dir")
TAKEN_FOR_GRANTED = {
    "amtool",
    "cat",
    "cd",
    "curl",
    "docker",
    "flask",
    "git",
    "gunicorn",
    "hypercorn",
    "mkdir",
    "openssl",
    "otelcol",
    "prometheus",
    "promtool",
    "uvicorn",
}
"""Commands of other projects."""

WRITTEN = {block.title for page in PAGES for block in all_blocks(page) if block.title}
"""Files that a page lets its reader write."""


def commands(block: str) -> Iterator[list[str]]:
    """The words of each command line: what follows ``$ ``, up to a comment or a pipe."""
    for line in re.sub(r"\\\n\s*", " ", block).splitlines():
        if line.startswith("$ "):
            words = shlex.split(line[2:], comments=True)
            yield list(itertools.takewhile(lambda word: word not in {"|", ">"}, words))


def problem(words: Sequence[str]) -> str | None:
    """Return the files and options of a command that do not exist."""
    command, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
    check = CHECKS.get(command)
    if check:
        return check(arguments)
    return None if command in TAKEN_FOR_GRANTED else f"an unknown command: {command}"


def _make(arguments: Sequence[str]) -> str | None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    unknown = [word for word in arguments if "=" not in word and word not in targets]
    return f"no target {unknown}" if unknown else None


def _python(arguments: Sequence[str]) -> str | None:
    match arguments:
        case ["-m", "pytest", *rest]:
            return _pytest(rest)
        case ["-m", module, *_]:
            return None if importlib.util.find_spec(module) else f"no module {module}"
        case [file, *_]:
            return None if (ROOT / file).exists() or file in WRITTEN else f"no file {file}"
        case _:
            return None  # A prompt.


def _pytest(arguments: Sequence[str]) -> str | None:
    paths = [word.partition("::")[0] for word in arguments if word.startswith("tests/")]
    missing = [path for path in paths if not (ROOT / path).exists()]
    return f"no tests {missing}" if missing else None


def _pip(arguments: Sequence[str]) -> str | None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = ",".join(re.findall(r"prio-middleware\[(.+?)\]", " ".join(arguments))).split(",")
    unknown = [extra for extra in asked if extra and extra not in extras]
    return f"no extra {unknown}" if unknown else None


def _prio(arguments: Sequence[str]) -> str | None:
    command: Any = typer.main.get_command(app)
    for word in arguments:
        inner = getattr(command, "commands", {})
        if not inner or word.startswith("-"):
            break
        if word not in inner:
            return f"no command {word}"
        command = inner[word]
    options = {name for parameter in command.params for name in parameter.opts}
    unknown = [word for word in arguments if word.startswith("--") and word not in {*options, "--help"}]
    return f"no option {unknown}" if unknown else None


def _export(arguments: Sequence[str]) -> str | None:
    name = arguments[0].partition("=")[0]
    nested = re.sub(r"^PRIO_CLIENTS__[A-Z0-9_]+?__", "PRIO_", name)
    known = {variable((key,)) for key in (*TOP_LEVEL_KEYS, *SOURCES)}
    return (
        None
        if nested in known or nested.startswith(("PRIO_APP__", "PRIO_PARAMS__", "PRIO_TOKEN_STORE__", "OTEL_"))
        else f"no variable {name}"
    )


CHECKS: dict[str, Callable[[Sequence[str]], str | None]] = {
    "make": _make,
    "python": _python,
    "pytest": _pytest,
    "pip": _pip,
    "prio": _prio,
    "export": _export,
}
