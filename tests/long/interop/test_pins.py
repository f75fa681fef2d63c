"""The npm packages of oidc-provider are those that package.json names, at any depth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import OIDC_PROVIDER

PACKAGE_JSON = Path(__file__).with_name("oidc_provider") / "package.json"


def pinned(members: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in members.items():
        if isinstance(value, str):
            yield name, value
        else:
            yield name, value["."]
            yield from pinned({inner: version for inner, version in value.items() if inner != "."})


def test_every_installed_package_has_a_version_of_package_json() -> None:
    if not OIDC_PROVIDER.exists():
        pytest.skip("oidc-provider is not installed")
    listed = json.loads(PACKAGE_JSON.read_text())
    expected = {*pinned(listed["dependencies"]), *pinned(listed["overrides"])}
    folders = [path.parent for path in OIDC_PROVIDER.parent.rglob("package.json")]
    packages = [folder for folder in folders if "node_modules" in (folder.parent.name, folder.parent.parent.name)]
    found = [json.loads((folder / "package.json").read_text()) for folder in packages if not folder.name.startswith("@")]

    assert {(package["name"], package["version"]) for package in found if "version" in package} == expected
