"""Imports between modules, and what an import loads."""

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
from typing import TYPE_CHECKING, NamedTuple

import pytest
from packaging.requirements import Requirement

import prio_middleware
from benchmarks.import_time import CLIENT, HTTPX_CLIENT, PRIO_HELP, TOML, TRANSPORT, TYPER_HELP, VARIABLES
from prio_middleware import web

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = prio_middleware.__name__
SUBMODULES = {info.name: info.ispkg for info in pkgutil.walk_packages(prio_middleware.__path__, f"{PACKAGE}.")}
MODULES = {PACKAGE: True} | SUBMODULES

# From the ground up; "" is the package itself. A module may import those of lower rows, and the others of its own entry.
# Where a module has an entry of its own, that one counts, and not its package's.
LAYERS = [
    ["_util", "middleware.revocation.rules"],
    ["_util.redaction"],
    ["errors"],
    ["_util.origins", "pipeline.registry"],
    ["_util.plain_http", "middleware.revocation.refusal", "pipeline.component_checks", "settings.presets", "telemetry"],
    ["oauth"],
    ["pipeline"],
    ["middleware"],
    ["transports"],
    ["settings"],
    ["build"],
    ["transports.client_factory"],
    ["", "httpx", "httpx2"],
    ["web.clients", "web.responses"],
    ["web.event_loops"],
    ["web.readiness"],
    ["web"],
    ["asgi", "sandbox", "wsgi"],
    ["demo", "django", "fastapi", "flask", "testing"],
    ["cli"],
]
PLACES = {entry: (height, entry) for height, row in enumerate(LAYERS) for entry in row}

PUBLIC_MODULES = SUBMODULES.keys() & {
    f"{PACKAGE}.{name}" for name in ("asgi", "django", "fastapi", "flask", "httpx", "httpx2", "web", "wsgi")
}

# Imported only when the caller's own event loop is one of it, or the caller's HTTP library offers the encoding.
ONLY_WHERE_IT_RUNS = {"brotli", "trio", "zstandard"}

UNNEEDED = {
    "anyio", "asyncio", "authlib", "cryptography", "dotenv", "opentelemetry", "pydantic_settings", "redis", "starlette",
    "tenacity",
}  # fmt: skip
"""Packages that neither a client with a secret nor the help needs."""


class Start(NamedTuple):
    """A program, and what it may load.

    Attributes:
        program: what it runs.
        floor: the program that it is compared with.
        own: most modules of this package.
        other: most other modules that the floor does not load.
        unneeded: packages that it does not load, beyond those of the floor.
    """

    program: str
    floor: str
    own: int
    other: int
    unneeded: set[str]


STARTS = {
    "transport": Start(TRANSPORT, HTTPX_CLIENT, 70, 15, UNNEEDED | {"pydantic"}),
    "environment": Start(CLIENT, HTTPX_CLIENT, 84, 100, UNNEEDED),
    "toml": Start(CLIENT, HTTPX_CLIENT, 84, 100, UNNEEDED),
    "help": Start(PRIO_HELP, TYPER_HELP, 12, 8, UNNEEDED | {"httpx", "pydantic", "prio_middleware.settings"}),
}
"""The bounds leave room for a few modules. ``python benchmarks/import_time.py`` shows the time that they stand for."""

MODULES_OF = """
import contextlib, io, json, os, sys

floor, runs = json.loads(sys.argv[1])
with contextlib.redirect_stdout(io.StringIO()):
    exec(floor)
before = set(sys.modules)
for name, program, folder, variables in runs:
    if os.fork() == 0:
        os.chdir(folder)
        os.environ.update(variables)
        with contextlib.redirect_stdout(io.StringIO()):
            exec(program)
        print(json.dumps([name, sorted(set(sys.modules) - before)]), flush=True)
        os._exit(0)
    os.wait()
"""
"""Runs each program in a fork of a process that has run only the floor."""

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


def exported_by(module: str) -> set[str]:
    """Return the names in ``__all__``."""
    [names] = [
        node.value for node in body(module) if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return set(ast.literal_eval(names))


def imported_names(module: str) -> set[str]:
    """Return the names that ``module`` imports at its top level, for type checkers included."""
    nodes = [inner for node in body(module) for inner in (node.body if isinstance(node, ast.If) else [node])]
    return {alias.asname or alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}


@functools.cache
def body(module: str) -> list[ast.stmt]:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_text()).body


def imported(module: str, statements: list[ast.stmt]) -> set[str]:
    """Return the modules that ``statements`` of ``module`` import, at any depth."""
    package = module if MODULES[module] else module.rpartition(".")[0]
    names: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names |= {name if (name := f"{origin}.{alias.name}") in MODULES else origin for alias in node.names}
    return names


@functools.cache
def all_imports(module: str) -> set[str]:
    """Return the modules that ``module`` imports, at any depth."""
    return imported(module, body(module))


def aliases(statement: ast.stmt) -> Iterator[ast.alias]:
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom):
            yield from node.names


def known_to(module: str, statements: list[ast.stmt]) -> set[str]:
    """Return the other modules of the package that ``statements`` of ``module`` import."""
    return (imported(module, statements) & MODULES.keys()) - {module}


def place(module: str) -> tuple[int, str]:
    """Return the layer of ``module``, counted from the bottom, and its entry there."""
    part = module.removeprefix(PACKAGE).removeprefix(".")
    while part not in PLACES:
        part = part.rpartition(".")[0]
    return PLACES[part]


def defined_by(module: str) -> set[str]:
    """Return the public names that ``module`` defines by ``def``, ``class`` or ``=``."""
    names: set[str] = set()
    for node in body(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_arrows_point_down_only() -> None:
    def above(module: str) -> set[str]:
        height, entry = place(module)
        known = (all_imports(module) & MODULES.keys()) - {module}
        return {other for other in known if place(other)[0] >= height and place(other)[1] != entry}

    assert {module: wrong for module in MODULES if (wrong := above(module))} == {}


def test_no_two_modules_need_each_other_to_load() -> None:
    at_load = (ast.Import, ast.ImportFrom)
    graph = {module: known_to(module, [node for node in body(module) if isinstance(node, at_load)]) for module in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_what_is_imported_is_declared() -> None:
    foreign = {name.partition(".")[0] for module in MODULES for name in all_imports(module)}
    foreign -= {PACKAGE, *sys.stdlib_module_names, *ONLY_WHERE_IT_RUNS}
    declared = {Requirement(line).name for line in metadata.requires("prio-middleware") or []}
    provided = {file.parts[0].removesuffix(".py") for name in declared for file in metadata.files(name) or []}

    assert len(foreign) > 10
    assert foreign - provided == set()


def test_a_sync_framework_loads_nothing_for_event_loops() -> None:
    assert "anyio" not in loaded_by(f"import {PACKAGE}.flask, {PACKAGE}.wsgi")


def test_the_package_loads_nothing_but_the_standard_library() -> None:
    assert loaded_by(f"import {PACKAGE}") - sys.stdlib_module_names == {PACKAGE}


@pytest.fixture(scope="module")
def loaded_modules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the modules that each program of ``STARTS`` loads beyond those of its floor."""
    loaded: dict[str, set[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(prio_middleware.__file__).parents[1]))
        for floor in {start.floor for start in STARTS.values()}:
            runs = []
            for name, start in STARTS.items():
                if start.floor == floor:
                    folder = tmp_path_factory.mktemp(name)
                    (folder / "prio.toml").write_text(TOML if name == "toml" else "")
                    runs.append([name, start.program, str(folder), VARIABLES if name == "environment" else {}])
            lines = run(MODULES_OF, json.dumps([floor, runs])).splitlines()
            loaded |= {name: set(modules) for name, modules in map(json.loads, lines)}
    return loaded


@pytest.mark.parametrize("name", STARTS)
def test_a_fresh_process_loads_little(name: str, loaded_modules: dict[str, set[str]]) -> None:
    start, loaded = STARTS[name], loaded_modules[name]
    own = {module for module in loaded if module.partition(".")[0] == PACKAGE}

    assert {module for module in loaded if {module, module.partition(".")[0]} & start.unneeded} == set()
    assert len(own) <= start.own
    assert len(loaded - own) <= start.other


def test_a_public_module_exports_what_it_defines_and_what_it_has(subtests: pytest.Subtests) -> None:
    assert len(PUBLIC_MODULES) == 8
    for module in PUBLIC_MODULES:
        with subtests.test(module):
            exported = exported_by(module)
            assert defined_by(module) <= exported <= defined_by(module) | imported_names(module)


def test_the_package_exports_the_same_names_to_users_and_to_type_checkers() -> None:
    typed = {alias.name for node in body(PACKAGE) if isinstance(node, ast.If) for alias in aliases(node)}
    assert set(prio_middleware.__all__) == typed <= set(dir(prio_middleware))
    assert [name for name in prio_middleware.__all__ if not hasattr(prio_middleware, name)] == []


def test_a_package_does_not_know_what_it_does_not_have() -> None:
    for package in (prio_middleware, web):
        with pytest.raises(AttributeError, match="no_such_name"):
            operator.attrgetter("no_such_name")(package)
