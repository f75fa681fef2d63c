from __future__ import annotations

from prio_middleware.cli import status as status_module
from prio_middleware.cli.status import RequestRates
from prio_middleware.web.status.report import Status
from tests.status import helpers


def sample(at: float, requests: int, pid: int = 1, name: str = "shop") -> Status:
    return helpers.status(helpers.client(name, responses={"200": requests - 1, "403": 1}), at=at, pid=pid)


def test_of_the_first_answer_nothing_is_known() -> None:
    assert RequestRates().update(sample(10.0, 100)) == {}


def test_a_rate_counts_calls_since_the_last_page() -> None:
    rates = RequestRates()
    rates.update(sample(10.0, 100))
    assert rates.update(sample(12.0, 125)) == {"shop": 12.5}
    assert rates.update(sample(14.0, 125)) == {"shop": 0.0}


def test_each_process_counts_for_itself() -> None:
    rates = RequestRates()
    rates.update(sample(10.0, 100, pid=2))
    assert rates.update(sample(11.0, 9000, pid=1)) == {}
    assert rates.update(sample(12.0, 102, pid=2)) == {"shop": 1.0}
    assert rates.pids == [1, 2]


def test_a_client_that_is_new_has_none() -> None:
    rates = RequestRates()
    rates.update(sample(10.0, 100))
    assert rates.update(sample(12.0, 125, name="berlin")) == {}


def test_clocks_and_counts_that_go_back_do_no_harm() -> None:
    rates = RequestRates()
    rates.update(sample(10.0, 100))
    assert rates.update(sample(10.0, 125)) == {}
    assert rates.update(sample(9.0, 130)) == {}
    assert rates.update(sample(11.0, 1)) == {"shop": 0.0}


def test_only_so_many_processes_are_remembered() -> None:
    rates = RequestRates()
    for pid in range(status_module.PROCESSES + 5):
        rates.update(sample(10.0, 1, pid=pid))
    assert len(rates.pids) == status_module.PROCESSES
    assert rates.pids[0] == 5
