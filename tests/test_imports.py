"""Which module may know which, and what an import costs: nothing that its user did not ask for."""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
import operator
import pkgutil
import subprocess
import sys
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import prio_middleware

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = prio_middleware.__name__
SUBMODULES = {info.name: info.ispkg for info in pkgutil.walk_packages(prio_middleware.__path__, f"{PACKAGE}.")}
MODULES = {PACKAGE: True} | SUBMODULES

# From the ground up; "" is the package itself. A module knows those of lower rows, and the others of its own entry.
LAYERS = [
    ["bounded", "challenges", "extras", "nearest", "refusal_rules", "retry_after", "secret", "shares", "traces"],
    ["text"],
    ["errors"],
    ["components", "origins"],
    ["plain_http", "presets", "refusal", "telemetry"],
    ["tokens"],
    ["pipeline"],
    ["middleware"],
    ["transports"],
    ["settings"],
    ["build"],
    ["", "httpx", "httpx2"],
    ["clients"],
    ["readiness"],
    ["dropins", "status"],
    ["asgi", "sandbox", "wsgi"],
    ["demo", "django", "fastapi", "flask", "testing"],
    ["cli"],
]
PLACES = {entry: (height, entry) for height, row in enumerate(LAYERS) for entry in row}

FACES = SUBMODULES.keys() & {f"{PACKAGE}.{name}" for name in ("asgi", "django", "fastapi", "flask", "httpx", "httpx2", "wsgi")}

OPTIONAL = {"django", "fastapi", "flask", "httpx2", "pytest", "redis", "rich", "trustme", "typer", "uvicorn"}

# Imported only when the caller's own event loop is one of it.
ONLY_WHERE_IT_RUNS = {"trio"}

# Parts of which some modules need an extra, and the packages that those then say are missing.
NEEDS = {
    "cli": {"click", "rich", "typer"},
    "demo": {"httpx2", "rich", "trustme", "uvicorn"},
    "django": {"asgiref", "django"},
    "fastapi": {"fastapi"},
    "flask": {"flask"},
    "httpx2": {"httpx2"},
    "sandbox": {"trustme", "uvicorn"},
    "testing": {"pytest"},
}

# Loaded when something is configured, never by an import.
SLOW = {"authlib", "cryptography", "pydantic", "pydantic_settings", "starlette"}

IMPORT_ALL = """
import importlib, json, sys

optional, modules = map(json.loads, sys.argv[1:])

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in optional:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
missing = {}
for module in modules:
    try:
        importlib.import_module(module)
    except ImportError as error:
        missing[module] = error.name
print(json.dumps(missing))
"""

LOADED_BY = """
import json, sys

before = set(sys.modules)
exec(sys.argv[1])
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def run(program: str, *arguments: str) -> str:
    return subprocess.run([sys.executable, "-c", program, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def loaded_by(statement: str) -> set[str]:
    return set(json.loads(run(LOADED_BY, statement)))


@functools.cache
def missing_without_extras() -> dict[str, str]:
    missing: dict[str, str] = json.loads(run(IMPORT_ALL, json.dumps(sorted(OPTIONAL)), json.dumps(sorted(MODULES))))
    return missing


def body(module: str) -> list[ast.stmt]:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_text()).body


def imported(module: str, statements: list[ast.stmt]) -> set[str]:
    """The modules that ``statements`` of ``module`` import, wherever in them and for whatever purpose."""
    package = module if MODULES[module] else module.rpartition(".")[0]
    names: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {name if (name := f"{origin}.{alias.name}") in MODULES else origin for alias in node.names}
    return names


def aliases(statement: ast.stmt) -> Iterator[ast.alias]:
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom):
            yield from node.names


def known_to(module: str, statements: list[ast.stmt]) -> set[str]:
    """The other modules of the package that ``statements`` of ``module`` import."""
    return (imported(module, statements) & MODULES.keys()) - {module}


def place(module: str) -> tuple[int, str]:
    """The layer of ``module``, counted from the ground, and its entry there."""
    part = module.removeprefix(PACKAGE).removeprefix(".")
    return PLACES[part.partition(".")[0]]


def defined_by(module: str) -> set[str]:
    """The public names that ``module`` itself binds by ``def``, ``class`` or ``=``."""
    names: set[str] = set()
    for node in body(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_arrows_point_down_only(module: str) -> None:
    height, entry = place(module)
    above = {other for other in known_to(module, body(module)) if place(other)[0] >= height and place(other)[1] != entry}
    assert above == set()


def test_no_two_modules_need_each_other_to_load() -> None:
    at_load = (ast.Import, ast.ImportFrom)
    graph = {module: known_to(module, [node for node in body(module) if isinstance(node, at_load)]) for module in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_what_is_imported_is_declared() -> None:
    distributions = metadata.packages_distributions()
    foreign = {name.partition(".")[0] for module in MODULES for name in imported(module, body(module))}
    foreign -= {PACKAGE, *sys.stdlib_module_names, *ONLY_WHERE_IT_RUNS}
    declared = {canonicalize_name(Requirement(line).name) for line in metadata.requires("prio-middleware") or []}
    # Several distributions may share one name to import, as those of OpenTelemetry do.
    assert {name for name in foreign if not declared & {canonicalize_name(found) for found in distributions[name]}} == set()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_loads_without_extras_or_says_which_it_needs(module: str) -> None:
    assert missing_without_extras().get(module) in {None, *NEEDS.get(place(module)[1], ())}


def test_every_package_loads_without_extras() -> None:
    packages = {module for module, is_package in MODULES.items() if is_package}
    assert packages & missing_without_extras().keys() == set()


def test_the_package_loads_nothing_but_the_standard_library() -> None:
    assert loaded_by(f"import {PACKAGE}") - sys.stdlib_module_names == {PACKAGE}


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_the_face_of_a_library_loads_neither_the_other_one_nor_what_is_slow(library: str) -> None:
    ours = loaded_by(f"from {PACKAGE}.{library} import client, async_client") - loaded_by(f"import {library}")
    assert ours & (SLOW | OPTIONAL | {"httpx"}) == set()


@pytest.mark.parametrize("face", sorted(FACES))
def test_a_face_exports_what_it_defines_and_what_it_has(face: str) -> None:
    module = importlib.import_module(face)
    assert defined_by(face) <= set(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_the_package_exports_the_same_names_to_users_and_to_type_checkers() -> None:
    typed = {alias.name for node in body(PACKAGE) if isinstance(node, ast.If) for alias in aliases(node)}
    assert set(prio_middleware.__all__) == typed <= set(dir(prio_middleware))
    assert [name for name in prio_middleware.__all__ if not hasattr(prio_middleware, name)] == []


def test_the_package_does_not_know_what_it_does_not_have() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        operator.attrgetter("no_such_name")(prio_middleware)
