from __future__ import annotations

import _thread
import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.helpers import COLOUR, ESCAPE, in_terminal, prio
from tests.cli.watch.conftest import page
from tests.status import helpers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.watch.conftest import Page

__all__ = ["page"]


def test_status_shows_the_page(page: Page) -> None:
    result = prio("status", page.url)

    assert (result.exit_code, result.stderr) == (0, "")
    assert "default  Ready  A token is there." in result.stdout
    assert "42 min 10 s of 1 h" in result.stdout


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_a_client_that_is_not_ready_is_a_failure(page: Page, how: list[str]) -> None:
    page.say(helpers.status(*helpers.every_condition()))

    assert prio("status", page.url, *how).exit_code == 1


def test_for_programs(page: Page) -> None:
    result = prio("status", page.url, "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads(json.dumps(helpers.status().as_dict()))


def test_no_answer_is_an_error_with_a_remedy(page: Page) -> None:
    page.say(404)
    result = prio("status", page.url)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "remedy   " in result.stderr
    assert "usually /status" in result.stderr


def test_one_client_is_shown_if_it_is_named(page: Page) -> None:
    page.say(helpers.status(*helpers.every_condition(), helpers.client(name="paris")))
    result = prio("status", page.url, "-c", "paris")

    assert result.exit_code == 0
    assert "1 client: 1 ready" in result.stdout


def test_a_header_from_a_file_opens_a_login(page: Page, folder: Path) -> None:
    (folder / "operator.txt").write_text("Authorization: Basic b3A6cHc=\n")
    prio("status", page.url, "--header", "@operator.txt")

    assert page.asked[0][1]["authorization"] == "Basic b3A6cHc="
    assert prio("status", page.url, "--header", "Authorization: Basic b3A6cHc=").exit_code == 2


def test_on_a_terminal_there_is_colour_and_a_bar(page: Page) -> None:
    status, written = in_terminal("status", page.url, columns=120)

    assert status == 0
    assert COLOUR.search(written)
    assert "█" in written


def test_in_a_pipe_there_is_no_colour_and_no_bar(page: Page) -> None:
    written = prio("status", page.url).stdout

    assert "A token is there." in written
    assert "\x1b" not in written
    assert "█" not in written


def test_no_color_turns_colour_off(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    status, written = in_terminal("status", page.url)

    assert (status, COLOUR.search(written)) == (0, None)
    assert "A token is there." in written


@pytest.mark.parametrize(("how", "mark"), [([], "1 client: 1 ready"), (["--json"], '"pid": 4242')])
def test_watching_ends_with_ctrl_c(page: Page, how: list[str], mark: str) -> None:
    page.say(helpers.status(), helpers.status(at=helpers.AT + 4))
    page.at_request = {3: _thread.interrupt_main}
    result = prio("status", "--watch", "--every", "0.2", page.url, *how)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count(mark) == 2
    assert ESCAPE.search(result.stdout) is None


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_watching_begins_with_an_answer(page: Page, how: list[str]) -> None:
    page.say(403)

    assert prio("status", page.url, "--watch", *how).exit_code == 1
