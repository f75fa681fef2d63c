"""Every example of the README and of the documentation runs as it stands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from prio_middleware import build
from prio_middleware.pipeline.registry import GROUP
from prio_middleware.settings import Settings
from tests.cli.helpers import prio
from tests.compat.__main__ import PYTHON
from tests.long.docs.blocks import PAGES, ROOT, Block, blocks
from tests.long.docs.commands import commands, problem
from tests.long.docs.context import Context

RUNNER = Path(__file__).with_name("run_page.py")

LANGUAGES = ("console", "dockerfile", "json", "promql", "python", "text", "toml", "yaml")


WITH_PACKAGES = {
    Path("docs/how-to") / name
    for name in ("caching-and-retries.md", "other-frameworks.md", "sdks.md", "test-tools.md", "workers.md")
}
"""Pages whose examples need the packages of tests.compat, and so run in their environment."""

ELSEWHERE = {"demo", "sandbox", "status"}
"""Commands of prio that go on until Ctrl-C, or need an application: tests/cli runs them."""


def examples(language: str, holding: str = "") -> Iterator[tuple[str, Block]]:
    """The blocks that hold a text, each after the line where it stands.

    Raises:
        AssertionError: there is none.
    """
    found = [block for page in PAGES for block in blocks(page, language) if holding in block.code]
    assert found
    return ((f"{block.page}:{block.line}", block) for block in found)


def settings_files(page: Path) -> dict[str, str]:
    """The files that the TOML examples of a page are. Of several prio.toml, the one with that title counts, else the first."""
    toml = blocks(page, "toml")
    untitled = [("prio.toml", block.code) for block in toml if block.title is None]
    return dict([*untitled[:1], *((block.title, block.code) for block in toml if block.title)])


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=str)
def test_the_python_examples_of_a_page_run(page: Path, context: Context, tmp_path: Path) -> None:
    python = str(PYTHON) if page in WITH_PACKAGES else sys.executable
    if not Path(python).exists():
        pytest.skip("their environment is not installed: see scripts/install_compat")
    for name, content in settings_files(page).items():
        (tmp_path / name).write_text(context.place(content))
    given = [{**asdict(block), "page": str(page), "code": context.place(block.code)} for block in blocks(page, "python")]

    run = subprocess.run(
        [python, RUNNER],
        input=json.dumps(given),
        cwd=tmp_path,
        env=context.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, ""), run.stdout + run.stderr


def test_a_toml_example_is_a_valid_configuration(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    monkeypatch.setenv("PRIO_SECRETS_DIR", context.environment["PRIO_SECRETS_DIR"])
    for number, (place, block) in enumerate(examples("toml")):
        with subtests.test(place):
            folder = tmp_path / str(number)
            folder.mkdir()
            monkeypatch.chdir(folder)
            Path(block.title or "prio.toml").write_text(context.place(block.code))

            assert set(Settings().clients) == {"default", *tomllib.loads(block.code).get("clients", {})}


def test_an_example_of_entry_points_names_the_group_of_components(subtests: pytest.Subtests) -> None:
    for place, block in examples("toml", holding="entry-points"):
        with subtests.test(place):
            assert set(tomllib.loads(block.code)["project"]["entry-points"]) == {GROUP}


def test_what_a_shell_example_names_is_there(subtests: pytest.Subtests) -> None:
    for place, block in examples("console"):
        with subtests.test(place):
            found = list(commands(block.code))
            assert found
            assert [answer for answer in map(problem, found) if answer] == []


def test_the_prio_commands_of_a_shell_example_succeed(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    for name, value in context.variables.items():
        monkeypatch.setenv(name, value)
    run = 0
    for number, (place, block) in enumerate(examples("console", holding="$ prio ")):
        with subtests.test(place):
            context.reset()
            build.forget()
            folder = tmp_path / str(number)
            folder.mkdir()
            monkeypatch.chdir(folder)
            asked = [words[1:] for words in commands(block.code) if words[0] == "prio" and words[1] not in ELSEWHERE]

            assert [(words, result.output) for words in asked for result in [prio(*words)] if result.exit_code] == []
            run += len(asked)
    assert run > 10


def test_a_json_example_is_json(subtests: pytest.Subtests) -> None:
    for place, block in examples("json"):
        with subtests.test(place):
            assert json.loads(block.code)


def test_a_yaml_example_sets_variables_and_probes_that_are_there(subtests: pytest.Subtests) -> None:
    for place, block in examples("yaml"):
        with subtests.test(place):
            [container] = yaml.safe_load(block.code)["spec"]["template"]["spec"]["containers"]
            assert [answer for each in container["env"] if (answer := problem(["export", f"{each['name']}=x"]))] == []
            page = "".join(python.code for python in blocks(block.page, "python"))
            for probe in ("readinessProbe", "livenessProbe"):
                assert f'"{container[probe]["httpGet"]["path"]}"' in page


def test_no_fence_of_a_page_is_missed(subtests: pytest.Subtests) -> None:
    for page in PAGES:
        with subtests.test(str(page)):
            opened = re.findall(r"^ *```\w.*$", (ROOT / page).read_text(), re.MULTILINE)
            assert len(opened) == sum(len(blocks(page, language)) for language in LANGUAGES)
