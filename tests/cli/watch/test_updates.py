from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

import pytest
from rich.console import Console

from prio_middleware.cli.status import StatusReply, StatusSource, Update, show_updates, updates, write_json_lines
from prio_middleware.errors import PrioError
from prio_middleware.web.status.report import Client
from tests.cli.helpers import ESCAPE
from tests.status import helpers

DOWN = PrioError("Down\x07.")


def reply(at: float = helpers.AT, pid: int = 1, clients: Iterable[Client] = ()) -> StatusReply:
    status = helpers.status(*clients, at=at, pid=pid)
    return StatusReply(status, json.loads(json.dumps(status.as_dict())))


def source(*answers: StatusReply | PrioError) -> StatusSource:
    class Answers:
        left = iter(answers)

        def fetch(self) -> Any:
            return next(self.left)

    return cast("StatusSource", Answers())


def collect(*answers: StatusReply | PrioError) -> list[Update]:
    slept: list[float] = []
    found = list(islice(updates(source(*answers), 2.0, slept.append), len(answers)))
    assert slept == [2.0] * (len(answers) - 1)
    return found


def shown(found: list[Update], **options: Any) -> str:
    stream = io.StringIO()
    show_updates(iter(found), Console(file=stream, width=100, height=60, **options))
    return stream.getvalue()


def test_the_first_question_has_to_be_answered() -> None:
    with pytest.raises(PrioError, match="Down"):
        collect(DOWN)


def test_a_later_one_that_is_not_leaves_what_is_known() -> None:
    first, last = reply(), reply(helpers.AT + 4)
    assert collect(first, DOWN, last) == [(first, None), (first, DOWN), (last, None)]


def test_in_a_pipe_each_report_follows_the_last() -> None:
    text = shown([(reply(), None), (reply(helpers.AT + 2), None)])
    assert text.count("Token") == 0
    assert text.count("1 client: 1 ready") == 2
    assert text.count("per second") == 1
    assert "\x1b" not in text


def test_what_is_old_is_marked() -> None:
    text = shown([(reply(), DOWN)])
    assert "Stale: last update at " in text
    assert r"Down\u0007." in text


def test_on_a_terminal_the_last_report_takes_the_place_of_the_first() -> None:
    text = shown([(reply(), None), (reply(helpers.AT + 2), None)], force_terminal=True)
    assert "\x1b[1A\x1b[2K" in text
    assert "per second" in ESCAPE.sub("", text)


def test_a_terminal_that_is_too_low_shows_that_it_is_old_and_what_is_worst() -> None:
    stream, seen = io.StringIO(), list[str]()

    def endless() -> Iterator[Update]:
        yield reply(clients=helpers.every_condition()), DOWN
        seen.append(ESCAPE.sub("", stream.getvalue()))  # At the end, all of it is left standing.

    show_updates(endless(), Console(file=stream, width=100, height=12, force_terminal=True))
    assert "Stale: last update at " in seen[0]
    assert "berlin  Not ready" in seen[0]
    assert "default  Ready" not in seen[0]


def test_on_a_terminal_lines_wrap_between_words() -> None:
    stream = io.StringIO()
    show_updates(
        iter([(reply(clients=helpers.every_condition()), DOWN)]),
        Console(file=stream, width=60, height=99, force_terminal=True, soft_wrap=True),
    )
    text = " ".join(ESCAPE.sub("", stream.getvalue()).split())
    assert "No token can be had: invalid_client. No other fetch is made for the moment." in text


def test_in_a_pipe_clients_stand_as_they_are_configured() -> None:
    text = shown([(reply(clients=helpers.every_condition()), None)])
    assert text.index("default  Ready") < text.index("berlin  Not ready")


def test_several_processes_at_one_address_are_shown() -> None:
    text = shown([(reply(pid=12), None), (reply(pid=7), None)])
    assert text.count("Several processes respond at this URL, each with its own status: 7, 12.") == 1


def test_for_programs_there_is_a_document_on_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    def endless() -> Iterator[Update]:
        yield reply(), None
        yield reply(), DOWN
        yield reply(helpers.AT + 2), None

    write_json_lines(endless())
    assert [json.loads(line)["at"] for line in capsys.readouterr().out.splitlines()] == [helpers.AT, helpers.AT + 2]
