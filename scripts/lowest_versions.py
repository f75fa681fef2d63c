"""Prints constraints-lowest.txt: the lowest version that pyproject.toml allows of all that the library and its extras name.

pip knows no such mode. It is run with what this prints, so that what the bounds say is what is tried.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def requirements() -> list[Requirement]:
    """Those of the library and of its extras, but for the library itself."""
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    named = [project["dependencies"], *project["optional-dependencies"].values()]
    found = [Requirement(line) for lines in named for line in lines]
    return [requirement for requirement in found if requirement.name != project["name"]]


def lowest(wanted: Iterable[Requirement]) -> list[str]:
    """Return a pin for each requirement, sorted.

    Raises:
        ValueError: one has no lower bound, or something besides.
    """
    return sorted({f"{requirement.name}=={lower_bound(requirement)}" for requirement in wanted})


def lower_bound(requirement: Requirement) -> str:
    """Return the version in ``name>=version``."""
    bounds = list(requirement.specifier)
    if [bound.operator for bound in bounds] != [">="]:
        raise ValueError(f"{requirement} is not of the form name>=version: then what is the lowest?")
    return bounds[0].version


if __name__ == "__main__":
    print("\n".join(lowest(requirements())))
