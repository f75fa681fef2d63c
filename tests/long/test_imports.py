"""Cost of an import: nothing that its user did not ask for. Each case runs in a process of its own."""

from __future__ import annotations

import json

import pytest

from tests.test_imports import MODULES, PACKAGE, loaded_by, place, run

OPTIONAL = {"django", "fastapi", "flask", "httpx2", "pytest", "redis", "rich", "trustme", "typer", "uvicorn"}

# Modules that need an extra, and the packages that they then report as missing.
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


def test_a_module_loads_without_extras_or_says_which_it_needs() -> None:
    missing: dict[str, str] = json.loads(run(IMPORT_ALL, json.dumps(sorted(OPTIONAL)), json.dumps(sorted(MODULES))))

    assert {name for name in NEEDS if f"{PACKAGE}.{name}" in MODULES} == NEEDS.keys()
    assert {place(module)[1] for module in missing} == NEEDS.keys()
    assert {module: name for module, name in missing.items() if name not in NEEDS[place(module)[1]]} == {}
    assert {module for module, is_package in MODULES.items() if is_package} & missing.keys() == set()


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_the_public_module_of_a_library_loads_neither_the_other_one_nor_slow_packages(library: str) -> None:
    ours = loaded_by(f"from {PACKAGE}.{library} import client, async_client") - loaded_by(f"import {library}")

    assert PACKAGE in ours
    assert ours & (SLOW | OPTIONAL | {"httpx"}) == set()
