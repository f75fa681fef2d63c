"""What the project promises of itself: its version, its pins, its files."""

from __future__ import annotations

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

NO_SOURCE = {"__pycache__", "build", "dist"}
HOME = re.compile(r"/(?:home|Users)/\w|/[r]oot/|[A-Z]:\\Users")
REGISTRY = re.compile(r"https?://[^\s/]*(?:pypi\.|pythonhosted|npmjs)[^\s]*|--(?:extra-)?index[-]url|--find[-]links")


def source_files() -> Iterator[Path]:
    for folder, subfolders, files in os.walk(ROOT):
        subfolders[:] = [name for name in subfolders if name == ".ci" or not (name.startswith(".") or name in NO_SOURCE)]
        yield from (Path(folder, name) for name in files)


def texts() -> Iterator[tuple[str, str]]:
    for path in source_files():
        content = path.read_bytes()
        if b"\0" not in content:
            yield str(path.relative_to(ROOT)), content.decode()


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
    """What a package brings along: known for those that are installed as pinned."""
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


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_the_pin_of_a_requirement_fits_it(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINNED[canonicalize_name(requirement.name)], prereleases=True)


def test_everything_that_the_requirements_bring_along_is_pinned() -> None:
    assert closure(declared()) - PINNED.keys() == set()


def test_the_lowest_versions_are_the_lower_bounds() -> None:
    written = (ROOT / "constraints-lowest.txt").read_text().splitlines()
    assert written == lowest_versions.lowest(lowest_versions.requirements()), "Run: make constraints"


@pytest.mark.parametrize("line", ["httpx", "httpx<1", "httpx>0.28", "httpx>=0.28,<1", "httpx==0.28.1"])
def test_a_requirement_without_a_plain_lower_bound_is_not_guessed_at(line: str) -> None:
    with pytest.raises(ValueError, match="what is the lowest"):
        lowest_versions.lowest([Requirement(line)])


@pytest.mark.parametrize("pattern", [HOME, REGISTRY], ids=["home", "registry"])
def test_no_file_names_a_place_of_the_machine_it_was_written_on(pattern: re.Pattern[str]) -> None:
    found = [f"{name}: {match[0]}" for name, text in texts() for match in pattern.finditer(text)]
    assert found == []


def test_every_text_ends_with_one_line_break() -> None:
    assert [name for name, text in texts() if text and (not text.endswith("\n") or text.endswith("\n\n"))] == []
