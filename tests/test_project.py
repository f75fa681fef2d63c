"""Version, pins and files of the project."""

from __future__ import annotations

import ast
import functools
import os
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

import prio_middleware
from scripts import lowest_versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = (ROOT / "constraints.txt").read_text().splitlines()
PINNED = {canonicalize_name(name): version for name, version in (pin.split("==") for pin in PINS)}

BUILT = {"build", "dist"}
"""Folders of the checkout that hold what is built. A package may have the same name."""

HOME = r"/(?:home|Users)/\w|/[r]oot/|[A-Z]:\\Users"
REGISTRY = r"https?://[^\s/]*(?:pypi\.|pythonhosted|npmjs)[^\s]*|--(?:extra-)?index[-]url|--find[-]links"
LOCAL = re.compile(f"{HOME}|{REGISTRY}")

PACKAGE = prio_middleware.__name__
REPLACING = re.compile(r"\.setattr\(|\bpatch(?:\.object)?\(")
SLEEPERS = {"time", "asyncio", "anyio", "trio"}
EXPLAINED = re.compile(r"^# Private access: .+\.$", re.MULTILINE)


def source_files() -> Iterator[Path]:
    for folder, subfolders, files in os.walk(ROOT):
        skipped = {"__pycache__", *(BUILT if Path(folder) == ROOT else ())}
        subfolders[:] = [name for name in subfolders if name == ".ci" or not (name.startswith(".") or name in skipped)]
        yield from (Path(folder, name) for name in files)


@functools.cache
def texts() -> dict[str, str]:
    contents = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in source_files()}
    return {name: content.decode() for name, content in contents.items() if b"\0" not in content}


def declared() -> list[Requirement]:
    """Every requirement that pyproject.toml names: the library's, its extras', and the development groups'."""
    lists: list[Iterable[Any]] = [
        PYPROJECT["project"]["dependencies"],
        *PYPROJECT["project"]["optional-dependencies"].values(),
        *PYPROJECT["dependency-groups"].values(),
    ]
    named = [Requirement(entry) for entries in lists for entry in entries if isinstance(entry, str)]
    return [requirement for requirement in named if requirement.name != PYPROJECT["project"]["name"]]


def closure(requirements: Iterable[Requirement]) -> set[NormalizedName]:
    """The names of ``requirements`` and of all that they bring along on this Python."""
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()
    waiting = [(canonicalize_name(requirement.name), frozenset(requirement.extras)) for requirement in requirements]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        waiting += [(canonicalize_name(needed.name), frozenset(needed.extras)) for needed in needs(name, extras)]
    return {name for name, _ in seen}


def needs(name: NormalizedName, extras: frozenset[str]) -> Iterator[Requirement]:
    """Return the requirements of an installed package."""
    try:
        lines = metadata.requires(name) if metadata.version(name) == PINNED.get(name) else None
    except metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, lines or []):
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield requirement


def test_the_installed_version_is_the_one_in_pyproject() -> None:
    assert metadata.version("prio-middleware") == PYPROJECT["project"]["version"]


def test_the_changelog_begins_with_the_version() -> None:
    headings = re.findall(r"^## \[(.+?)\] - (?:Unreleased|\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == PYPROJECT["project"]["version"]


def test_types_are_shipped() -> None:
    assert Path(prio_middleware.__file__).with_name("py.typed").is_file()


def test_constraints_are_nothing_but_pins_each_name_once() -> None:
    assert [pin for pin in PINS if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.!+]+", pin)] == []
    assert len(PINNED) == len(PINS)


def test_the_pin_of_a_requirement_fits_it() -> None:
    pins = {str(requirement): PINNED[canonicalize_name(requirement.name)] for requirement in declared()}

    assert len(pins) > 50
    assert {name: pin for name, pin in pins.items() if not Requirement(name).specifier.contains(pin, prereleases=True)} == {}


def test_everything_that_the_requirements_bring_along_is_pinned() -> None:
    found = closure(declared())

    assert len(found) > 100
    assert found - PINNED.keys() == set()


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    written = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    assert written == lowest_versions.lowest(lowest_versions.requirements()), "Run: make constraints"


def test_the_page_of_versions_names_every_requirement_and_python() -> None:
    page = (ROOT / "docs" / "reference" / "versions.md").read_text()
    project = PYPROJECT["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    named = {name: bound for entries in lists for name, _, bound in (entry.partition(">=") for entry in entries) if bound}
    pythons = re.findall(r"Python :: (3\.\d+)", "".join(project["classifiers"]))

    assert len(named) > 20
    assert set(re.findall(r"^\| ([\w-]+) \| (\d[\d.]*) \|", page, re.MULTILINE)) == set(named.items())
    assert f"| CPython {', '.join(pythons[:-1])} and {pythons[-1]} |" in page
    assert f"| {project['requires-python'].removeprefix('>=')} or later |" in page


def test_a_requirement_without_a_plain_lower_bound_is_not_guessed_at(subtests: pytest.Subtests) -> None:
    for line in ["httpx", "httpx<1", "httpx>0.28", "httpx>=0.28,<1", "httpx==0.28.1"]:
        with subtests.test(line), pytest.raises(ValueError, match="what is the lowest"):
            lowest_versions.lowest([Requirement(line)])


def test_no_file_names_a_place_of_the_machine_it_was_written_on() -> None:
    read = texts()
    assert {"pyproject.toml", "prio_middleware/build/__init__.py"} <= read.keys()
    assert [f"{name}: {match[0]}" for name, text in read.items() for match in LOCAL.finditer(text)] == []


def test_every_text_ends_with_one_line_break() -> None:
    assert [name for name, text in texts().items() if text and (not text.endswith("\n") or text.endswith("\n\n"))] == []


# Rules for the tests.

PRIVATE_LIMIT = 10
"""Modules that may use private attributes of the library or replace its functions. Each has a comment with its reason."""

SLEEPING = {
    "tests/web/servers.py",
    "tests/redis_servers.py",
}
"""Modules outside tests/long that sleep: they wait for real processes."""

OTHERS = {"library", "logger", "loop"}
"""Local names of things that are not this library's: an HTTP library, a logger, an event loop."""


def modules_of_tests() -> dict[str, str]:
    return {name: text for name, text in texts().items() if name.startswith("tests/") and name.endswith(".py")}


def imports_of(tree: ast.AST) -> dict[str, str]:
    """The module that each imported name comes from."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: "." * node.level + (node.module or "") for alias in node.names}
    return found


def replaces_of_library(source: str) -> list[int]:
    """The lines that replace something of the library, by monkeypatch or mock. What a local name holds counts as its own."""
    tree = ast.parse(source)
    imports = imports_of(tree)
    lines = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="setattr" | "patch" | "object") | ast.Name(id="patch"), args=[target, *_]):
                pass
            case _:
                continue
        match target:
            case ast.Constant(value=str(path)):
                origin = path
            case _:
                names = ast.unparse(target).split(".")
                origin = "another" if OTHERS & set(names) else imports.get(names[0].partition("(")[0], PACKAGE)
        if origin.partition(".")[0] == PACKAGE:
            lines.append(node.lineno)
    return lines


def sleeps(source: str) -> list[int]:
    """The lines that name a function to sleep, of time or of an event loop."""
    tree = ast.parse(source)
    lines = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr="sleep") if module in SLEEPERS:
                lines.append(node.lineno)
            case ast.ImportFrom(module=module, names=names) if module in SLEEPERS and "sleep" in {one.name for one in names}:
                lines.append(node.lineno)
            case _:
                pass
    return lines


def test_what_replaces_something_of_the_library_is_found(subtests: pytest.Subtests) -> None:
    rows = {
        "monkeypatch.setattr('prio_middleware.build.LIMIT', 1)": True,
        "from prio_middleware import build\nmonkeypatch.setattr(build, 'LIMIT', 1)": True,
        "import prio_middleware.build\nmonkeypatch.setattr(prio_middleware.build, 'LIMIT', 1)": True,
        "from unittest import mock\nmock.patch('prio_middleware.build.LIMIT')": True,
        "from unittest.mock import patch\npatch.object(provider.store, 'look')": True,
        "monkeypatch.setattr(provider, 'look', None)": True,
        "monkeypatch.setattr('os.getpid', None)": False,
        "import os\nmonkeypatch.setattr(os, 'getpid', None)": False,
        "monkeypatch.setattr(world.library.MockTransport, 'close', None)": False,
        "monkeypatch.setenv('prio_middleware', '1')": False,
    }
    for source, found in rows.items():
        with subtests.test(source):
            assert bool(replaces_of_library(source)) is found


def test_each_way_to_sleep_is_found(subtests: pytest.Subtests) -> None:
    rows = {
        "time.sleep(1)": True,
        "await anyio.sleep(0)": True,
        "Thread(target=time.sleep)": True,
        "from asyncio import sleep": True,
        "clock.sleep(1)": False,
        "run('time.sleep(1)')": False,
    }
    for source, found in rows.items():
        with subtests.test(source):
            assert bool(sleeps(source)) is found


def explained() -> set[str]:
    """The modules with a comment that explains their private access."""
    return {name for name, text in modules_of_tests().items() if EXPLAINED.search(text)}


def test_tests_replace_nothing_of_the_library_but_where_it_is_explained() -> None:
    modules = {name: text for name, text in modules_of_tests().items() if REPLACING.search(text)}
    found = {name: lines for name, text in modules.items() if (lines := replaces_of_library(text))}

    assert len(modules) > 10
    assert {name: lines for name, lines in found.items() if name not in explained()} == {}


def test_private_access_is_explained_and_rare() -> None:
    ignores = PYPROJECT["tool"]["ruff"]["lint"]["per-file-ignores"]
    allowed = {name for name, rules in ignores.items() if "SLF001" in rules and name.startswith("tests/")}

    assert 0 < len(explained()) <= PRIVATE_LIMIT
    assert allowed == explained()


def test_only_tests_of_real_processes_sleep() -> None:
    modules = {
        name: text for name, text in modules_of_tests().items() if not name.startswith("tests/long/") and "sleep" in text
    }
    found = {name: lines for name, text in modules.items() if (lines := sleeps(text))}
    assert found.keys() >= SLEEPING
    assert {name: lines for name, lines in found.items() if name not in SLEEPING} == {}
