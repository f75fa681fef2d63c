from __future__ import annotations

from prio_middleware.cli.watch import pace
from prio_middleware.cli.watch.pace import Pace
from prio_middleware.status.model import Status
from tests.status import kit


def said(at: float, requests: int, pid: int = 1, name: str = "shop") -> Status:
    return kit.status(kit.client(name, responses={"200": requests - 1, "403": 1}), at=at, pid=pid)


def test_of_the_first_answer_nothing_is_known() -> None:
    assert Pace().of(said(10.0, 100)) == {}


def test_it_is_what_came_since_the_last_one() -> None:
    found = Pace()
    found.of(said(10.0, 100))
    assert found.of(said(12.0, 125)) == {"shop": 12.5}
    assert found.of(said(14.0, 125)) == {"shop": 0.0}


def test_each_process_counts_for_itself() -> None:
    found = Pace()
    found.of(said(10.0, 100, pid=2))
    assert found.of(said(11.0, 9000, pid=1)) == {}
    assert found.of(said(12.0, 102, pid=2)) == {"shop": 1.0}
    assert found.processes == [1, 2]


def test_a_client_that_is_new_has_none() -> None:
    found = Pace()
    found.of(said(10.0, 100))
    assert found.of(said(12.0, 125, name="berlin")) == {}


def test_clocks_and_counts_that_go_back_do_no_harm() -> None:
    found = Pace()
    found.of(said(10.0, 100))
    assert found.of(said(10.0, 125)) == {}
    assert found.of(said(9.0, 130)) == {}
    assert found.of(said(11.0, 1)) == {"shop": 0.0}


def test_only_so_many_processes_are_remembered() -> None:
    found = Pace()
    for pid in range(pace.PROCESSES + 5):
        found.of(said(10.0, 1, pid=pid))
    assert len(found.processes) == pace.PROCESSES
    assert found.processes[0] == 5
