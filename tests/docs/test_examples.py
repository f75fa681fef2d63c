"""Every example of the README and of the documentation runs as it stands."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from prio_middleware.components import GROUP
from prio_middleware.settings import Settings
from tests.docs.blocks import PAGES, ROOT, Block, blocks
from tests.docs.commands import commands, problem
from tests.docs.world import World

RUNNER = Path(__file__).with_name("run_page.py")


def having(language: str) -> list[Path]:
    return [page for page in PAGES if any(block.reason is None for block in blocks(page, language))]


def each(language: str, keep: Callable[[Block], bool] = lambda block: block.reason is None) -> list[object]:
    return [
        pytest.param(block, id=f"{page}:{block.line}") for page in PAGES for block in blocks(page, language) if keep(block)
    ]


@pytest.mark.parametrize("page", having("python"), ids=str)
def test_the_python_examples_of_a_page_run(page: Path, world: World, tmp_path: Path) -> None:
    for block in sorted(reversed(blocks(page, "toml")), key=lambda block: block.title or ""):  # Titled ones are in force.
        (tmp_path / (block.title or "prio.toml")).write_text(world.place(block.code))
    examples = [
        {**asdict(block), "page": str(page), "code": world.place(block.code)}
        for block in blocks(page, "python")
        if block.reason is None
    ]
    run = subprocess.run(
        [sys.executable, RUNNER],
        input=json.dumps(examples),
        cwd=tmp_path,
        env=world.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("block", each("toml"))
def test_a_toml_example_is_a_valid_configuration(
    block: Block, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRIO_SECRETS_DIR", world.environment["PRIO_SECRETS_DIR"])
    (tmp_path / (block.title or "prio.toml")).write_text(world.place(block.code))

    declared = tomllib.loads(block.code)
    if block.title == "pyproject.toml":
        assert set(declared["project"]["entry-points"] if "project" in declared else {GROUP}) == {GROUP}
        declared = declared.get("tool", {}).get("prio_middleware", {})
    assert Settings().clients.keys() >= declared.get("clients", {}).keys()


@pytest.mark.parametrize("block", each("console"))
def test_what_a_shell_example_names_is_there(block: Block) -> None:
    found = list(commands(block.code))
    assert found
    assert [answer for answer in map(problem, found) if answer] == []


@pytest.mark.parametrize("block", each("python", lambda block: block.reason is not None))
def test_what_is_not_run_is_python_at_least(block: Block) -> None:
    compile(block.code, str(block.page), "exec")


def test_few_examples_are_not_run() -> None:
    assert len(each("python", lambda block: block.reason is not None)) <= 3


def test_every_fence_names_a_language_that_is_looked_at() -> None:
    known = {"console", "json", "python", "text", "toml"}
    fences = {line.strip() for page in PAGES for line in (ROOT / page).read_text().splitlines() if line.strip().startswith("```")}
    assert {fence.removeprefix("```").partition(" ")[0] for fence in fences} - {""} <= known
