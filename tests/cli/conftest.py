"""The command line against a sandbox, configured by the environment, in an empty folder."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import trustme


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("prio_middleware.testing.plugin")


@pytest.fixture(scope="session")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One certificate authority, in place of all that are trusted by default: they take long to load."""
    path = tmp_path_factory.mktemp("authorities") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    return path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, authorities: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the home directory too."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def library(library_name: str) -> Any:
    """The module ``httpx`` or ``httpx2``."""
    return importlib.import_module(library_name)
