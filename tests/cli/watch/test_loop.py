from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

import pytest
from rich.console import Console

from prio_middleware.cli.watch.loop import News, news, show, write_lines
from prio_middleware.cli.watch.source import Source, Told
from prio_middleware.errors import PrioError
from prio_middleware.status.model import Client
from tests.cli.kit import ESCAPE
from tests.status import kit

DOWN = PrioError("Down\x07.")


def told(at: float = kit.AT, pid: int = 1, clients: Iterable[Client] = ()) -> Told:
    status = kit.status(*clients, at=at, pid=pid)
    return Told(status, json.loads(json.dumps(status.as_dict())))


def source(*answers: Told | PrioError) -> Source:
    class Answers:
        left = iter(answers)

        def ask(self) -> Any:
            return next(self.left)

    return cast("Source", Answers())


def heard(*answers: Told | PrioError) -> list[News]:
    slept: list[float] = []
    found = list(islice(news(source(*answers), 2.0, slept.append), len(answers)))
    assert slept == [2.0] * (len(answers) - 1)
    return found


def shown(news: list[News], **options: Any) -> str:
    stream = io.StringIO()
    show(iter(news), Console(file=stream, width=100, height=60, **options))
    return stream.getvalue()


def test_the_first_question_has_to_be_answered() -> None:
    with pytest.raises(PrioError, match="Down"):
        heard(DOWN)


def test_a_later_one_that_is_not_leaves_what_is_known() -> None:
    first, last = told(), told(kit.AT + 4)
    assert heard(first, DOWN, last) == [(first, None), (first, DOWN), (last, None)]


def test_in_a_pipe_each_report_follows_the_last() -> None:
    said = shown([(told(), None), (told(kit.AT + 2), None)])
    assert said.count("Token") == 0
    assert said.count("1 client: 1 ready") == 2
    assert said.count("a second") == 1
    assert "\x1b" not in said


def test_what_is_old_is_marked() -> None:
    said = shown([(told(), DOWN)])
    assert "Stale: no news since " in said
    assert r"Down\u0007." in said


def test_on_a_terminal_the_last_report_takes_the_place_of_the_first() -> None:
    said = shown([(told(), None), (told(kit.AT + 2), None)], force_terminal=True)
    assert "\x1b[1A\x1b[2K" in said
    assert "a second" in ESCAPE.sub("", said)


def test_a_terminal_that_is_too_low_shows_that_it_is_old_and_what_is_worst() -> None:
    stream, seen = io.StringIO(), list[str]()

    def endless() -> Iterator[News]:
        yield told(clients=kit.every_condition()), DOWN
        seen.append(ESCAPE.sub("", stream.getvalue()))  # At the end, all of it is left standing.

    show(endless(), Console(file=stream, width=100, height=12, force_terminal=True))
    assert "Stale: no news since " in seen[0]
    assert "berlin  Not ready" in seen[0]
    assert "default  Ready" not in seen[0]


def test_on_a_terminal_no_word_is_cut_off() -> None:
    stream = io.StringIO()
    show(
        iter([(told(clients=kit.every_condition()), DOWN)]),
        Console(file=stream, width=60, height=99, force_terminal=True, soft_wrap=True),
    )
    said = " ".join(ESCAPE.sub("", stream.getvalue()).split())
    assert "No token can be had: invalid_client. No other fetch is made for the moment." in said


def test_in_a_pipe_clients_stand_as_they_are_configured() -> None:
    said = shown([(told(clients=kit.every_condition()), None)])
    assert said.index("default  Ready") < said.index("berlin  Not ready")


def test_several_processes_at_one_address_are_told() -> None:
    said = shown([(told(pid=12), None), (told(pid=7), None)])
    assert said.count("Several processes answer at this address, each for itself: so far 7, 12.") == 1


def test_for_programs_there_is_a_document_on_each_line(capsys: pytest.CaptureFixture[str]) -> None:
    def endless() -> Iterator[News]:
        yield told(), None
        yield told(), DOWN
        yield told(kit.AT + 2), None

    write_lines(endless())
    assert [json.loads(line)["at"] for line in capsys.readouterr().out.splitlines()] == [kit.AT, kit.AT + 2]
