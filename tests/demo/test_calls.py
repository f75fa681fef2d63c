from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

from prio_middleware.demo.calls import Calls, marked, until


def silent() -> None:
    pass


def test_every_path_is_handed_out_once_to_many_threads() -> None:
    calls = Calls((str(number) for number in range(2000)), silent)
    with ThreadPoolExecutor(8) as pool:
        taken = [job.result() for job in [pool.submit(list[str], calls) for _ in range(8)]]
    assert sorted(int(path) for paths in taken for path in paths) == list(range(2000))


def test_nothing_is_handed_out_after_the_stop() -> None:
    calls = Calls(repeat("/products"), silent)
    assert next(calls) == "/products"
    calls.stop()
    assert (list(calls), calls.over) == ([], True)


def test_calls_that_ended_are_counted_and_announced() -> None:
    ticks: list[None] = []
    calls = Calls([], lambda: ticks.append(None))
    calls.end()
    calls.end()
    assert (calls.made, len(ticks), calls.notes()) == (2, 2, ())


def test_the_pace_tells_number_and_time() -> None:
    calls = Calls([], silent)
    calls.made, calls.started, calls.ended = 3000, 10.0, 12.0
    assert calls.pace() == "3,000 calls in 2.0 s, 1,500 a second."


def test_calls_without_an_answer_are_told_of_with_the_first_reason() -> None:
    calls = Calls([], silent)
    calls.end(TimeoutError("too late"))
    calls.end(OSError("too far"))
    assert (calls.made, calls.notes()) == (2, ("2 calls had no answer. TimeoutError: too late",))


def test_marked_calls_go_to_one_path_and_can_be_told_apart() -> None:
    paths = list(marked("/products", 3))
    assert len(set(paths)) == 3
    assert {path.partition("?")[0] for path in paths} == {"/products"}


@pytest.mark.parametrize(("moments", "number"), [([0, 4, 5], 1), ([0, 1, 4.9, 5], 2), ([0, 6], 0)])
def test_paths_are_handed_out_until_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch, moments: list[float], number: int
) -> None:
    clock = iter(moments)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert len(list(until("/products", 5))) == number
