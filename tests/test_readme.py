"""The README's examples run as they stand."""

from __future__ import annotations

import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import Settings, build
from prio_middleware.sandbox import Sandbox

README = (Path(__file__).parent.parent / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
TOML = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
GUARANTEES = re.findall(r"`python -m pytest ([^`]+)`", README)


@pytest.fixture
def _account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """What the examples take for granted: a configured account, and one called berlin."""
    with Sandbox() as sandbox:
        berlin = sandbox.options.accounts[1]
        for name, value in {
            **sandbox.environment(),
            "PRIO_CLIENTS__BERLIN__CLIENT_ID": berlin.client_id,
            "PRIO_CLIENTS__BERLIN__CLIENT_SECRET": berlin.client_secret,
        }.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.chdir(tmp_path)
        build.forget()
        yield


@pytest.mark.usefixtures("_account")
def test_every_python_example_runs() -> None:
    names: dict[str, Any] = {}
    for example in PYTHON:
        exec(compile(example, "README.md", "exec"), names)
    names["partner"].close()

    assert asyncio.run(names["main"]())["data"]["items"]
    assert names["products"]["data"]["items"]


def test_the_settings_file_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = TOML
    monkeypatch.chdir(tmp_path)
    written = example
    for name in re.findall(r'"(/run/secrets/[^"]+)"', example):
        secret = tmp_path / Path(name).name
        secret.write_text("s3cret")
        secret.chmod(0o600)
        written = written.replace(f'"{name}"', f'"{secret}"')
    (tmp_path / "prio.toml").write_text(written)

    assert set(Settings().clients) == {"default", *tomllib.loads(example)["clients"]}


def test_every_guarantee_names_tests_that_exist() -> None:
    named = [Path(path) for command in GUARANTEES for path in command.split()]

    assert len(named) > 5
    assert [path for path in named if not (Path(__file__).parent.parent / path).exists()] == []


def test_the_example_component_is_under_ten_lines() -> None:
    [component] = [example for example in PYTHON if "class RequestId" in example]

    assert len(component.splitlines()) < 10
