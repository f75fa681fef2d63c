"""A working directory and an environment with nothing in them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.settings import Settings


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.upper().startswith("PRIO_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(directory: Path) -> Callable[[str, str], Path]:
    """Writes a file that only its owner may read."""

    def write_file(name: str, text: str) -> Path:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return write_file


@pytest.fixture
def complaint(directory: Path) -> Callable[..., str]:
    """Return the error of ``Settings`` for these values."""

    def complain(**values: Any) -> str:
        with pytest.raises(ConfigurationError) as caught:
            Settings(**values)
        return str(caught.value)

    return complain
