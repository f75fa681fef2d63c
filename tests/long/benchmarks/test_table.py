"""The advantage of a subject: decided by comparable rows, beyond their intervals."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from benchmarks.peers.measuring import Estimate, estimate, interleaved, ratio
from benchmarks.peers.table import Column, Row, Table

COLUMNS = {"time": Column("ms", 1, raced=True), "noted": Column("notes")}


def table(*rows: Row) -> Table:
    return Table("waiting", "Who waits", "By hand", COLUMNS, list(rows), plot="time", sizes="tasks")


def ours(stack: str = "httpx", size: int = 1, name: str = "ours", **values: Any) -> Row:
    return Row(name, stack, "ours", "sync", size, values)


def peer(stack: str = "httpx", size: int = 1, why: str = "", **values: Any) -> Row:
    return Row("them", stack, "peer", "sync", size, values, why)


@pytest.mark.parametrize(
    ("mine", "theirs", "is_behind"),
    [
        pytest.param(2.0, 1.0, True, id="slower"),
        pytest.param(1.0, 2.0, False, id="faster"),
        pytest.param(1.005, 1.0, False, id="level"),
        pytest.param(Estimate(2.0, 0.9, 3.0), Estimate(1.0, 0.8, 1.2), False, id="within the interval"),
        pytest.param(Estimate(2.0, 1.9, 3.0), Estimate(1.0, 0.8, 1.2), True, id="beyond the interval"),
    ],
)
def test_a_peer_is_ahead_where_its_number_is_less(mine: Any, theirs: Any, is_behind: bool) -> None:
    assert bool(list(table(ours(time=mine), peer(time=theirs)).behind())) is is_behind


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(peer(noted=1.0), id="in a column that is not raced"),
        pytest.param(peer(time=1.0, why="does something else"), id="in a row with a reason"),
        pytest.param(peer(why="cannot"), id="in a row without numbers"),
        pytest.param(peer(time=1.0, size=2), id="in another situation"),
        pytest.param(Row("floor", "httpx", "floor", "sync", 1, {"time": 1.0}), id="as a floor"),
    ],
)
def test_what_cannot_be_compared_is_not(theirs: Row) -> None:
    assert list(table(ours(time=2.0, noted=2.0), theirs).behind()) == []


def test_a_peer_is_compared_on_its_own_http_library() -> None:
    rows = [ours("httpx", time=3.0), ours("httpx2", time=1.0), peer("httpx", time=2.0)]
    assert list(table(*rows).behind()) == ["waiting, sync, 1 tasks: them (httpx) has 2.0 and we have 3.0 (ms)"]


def test_a_peer_on_another_library_is_compared_with_the_faster_of_two() -> None:
    rows = [ours("httpx", time=3.0), ours("httpx2", time=1.0)]
    assert list(table(*rows, peer("requests", time=2.0)).behind()) == []
    assert len(list(table(*rows, peer("requests", time=0.5)).behind())) == 1


def test_every_measure_is_taken_in_every_round_and_none_always_first() -> None:
    seen: list[str] = []

    def measure(name: str) -> str:
        seen.append(name)
        return name

    taken = interleaved({name: functools.partial(measure, name) for name in "abc"}, 6)
    assert taken == {name: [name] * 6 for name in "abc"}
    assert {"".join(seen[turn : turn + 3]) for turn in range(0, 18, 3)} == {"abc", "cba", "bca", "acb", "cab", "bac"}


def test_an_interval_holds_its_median_and_narrows_with_agreement() -> None:
    wide, narrow = estimate([1, 2, 3, 4, 5, 6, 7]), estimate([4, 4, 4, 4, 4, 4, 5])
    assert wide.low < wide.middle == 4 < wide.high
    assert narrow == (4, 4, 4)


def test_a_ratio_is_taken_within_each_round() -> None:
    assert ratio([2, 20, 200], [1, 10, 100]) == (2, 2, 2)
