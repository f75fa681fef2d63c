"""Every example of the README and of the documentation runs as it stands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

from prio_middleware.components import GROUP
from prio_middleware.settings import Settings
from tests.cli.kit import prio
from tests.docs.blocks import PAGES, ROOT, Block, blocks
from tests.docs.commands import commands, problem
from tests.docs.world import World

RUNNER = Path(__file__).with_name("run_page.py")

LANGUAGES = ("console", "json", "promql", "python", "text", "toml")


ELSEWHERE = {"demo", "sandbox", "status"}
"""Commands of prio that go on until Ctrl-C, or need an application: tests/cli runs them."""


def examples(language: str, holding: str = "") -> list[object]:
    """Those that hold a text, each with the line where it stands."""
    found = [block for page in PAGES for block in blocks(page, language) if holding in block.code]
    return [pytest.param(block, id=f"{block.page}:{block.line}") for block in found]


def settings_files(page: Path) -> dict[str, str]:
    """The files that the TOML examples of a page are. Of several prio.toml, the one with that title counts, else the first."""
    toml = blocks(page, "toml")
    untitled = [("prio.toml", block.code) for block in toml if block.title is None]
    return dict([*untitled[:1], *((block.title, block.code) for block in toml if block.title)])


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=str)
def test_the_python_examples_of_a_page_run(page: Path, world: World, tmp_path: Path) -> None:
    for name, content in settings_files(page).items():
        (tmp_path / name).write_text(world.place(content))
    given = [{**asdict(block), "page": str(page), "code": world.place(block.code)} for block in blocks(page, "python")]

    run = subprocess.run(
        [sys.executable, RUNNER],
        input=json.dumps(given),
        cwd=tmp_path,
        env=world.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, ""), run.stdout + run.stderr


@pytest.mark.parametrize("block", examples("toml"))
def test_a_toml_example_is_a_valid_configuration(
    block: Block, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRIO_SECRETS_DIR", world.environment["PRIO_SECRETS_DIR"])
    (tmp_path / (block.title or "prio.toml")).write_text(world.place(block.code))

    assert set(Settings().clients) == {"default", *tomllib.loads(block.code).get("clients", {})}


@pytest.mark.parametrize("block", examples("toml"))
def test_an_example_of_entry_points_names_the_group_that_is_looked_into(block: Block) -> None:
    assert set(tomllib.loads(block.code).get("project", {}).get("entry-points", {GROUP})) == {GROUP}


@pytest.mark.parametrize("block", examples("console"))
def test_what_a_shell_example_names_is_there(block: Block) -> None:
    found = list(commands(block.code))
    assert found
    assert [answer for answer in map(problem, found) if answer] == []


@pytest.mark.parametrize("block", examples("console", holding="$ prio "))
def test_the_prio_commands_of_a_shell_example_succeed(
    block: Block, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in world.variables.items():
        monkeypatch.setenv(name, value)
    asked = [words[1:] for words in commands(block.code) if words[0] == "prio" and words[1] not in ELSEWHERE]

    assert [(words, result.output) for words in asked for result in [prio(*words)] if result.exit_code] == []


@pytest.mark.parametrize("block", examples("json"))
def test_a_json_example_is_json(block: Block) -> None:
    json.loads(block.code)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_fence_of_a_page_is_missed(page: Path) -> None:
    opened = re.findall(r"^ *```\w.*$", (ROOT / page).read_text(), re.MULTILINE)
    assert len(opened) == sum(len(blocks(page, language)) for language in LANGUAGES)
