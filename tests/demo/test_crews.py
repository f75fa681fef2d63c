from __future__ import annotations

import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from prio_middleware.demo.calls import Calls
from prio_middleware.demo.crews import CLIENTS, from_both, from_tasks, from_threads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    Crew = Callable[["Recorder", Calls], None]


class Recorder:
    """Makes clients that remember what they were asked for, and fail where the path says so."""

    def __init__(self) -> None:
        self.made = 0
        self.open = 0
        self.paths: list[str] = []
        self.callers: set[int] = set()

    @contextmanager
    def client(self) -> Generator[SyncClient]:
        self.made += 1
        self.open += 1
        try:
            yield SyncClient(self)
        finally:
            self.open -= 1

    @asynccontextmanager
    async def async_client(self) -> AsyncGenerator[AsyncClient]:
        with self.client():
            yield AsyncClient(self)

    def called(self, path: str, caller: int) -> None:
        self.paths.append(path)
        self.callers.add(caller)
        if path == "/broken":
            raise ConnectionError("no connection")


class SyncClient:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def get(self, url: str) -> None:
        self._recorder.called(url, threading.get_ident())


class AsyncClient:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def get(self, url: str) -> None:
        await anyio.lowlevel.checkpoint()
        self._recorder.called(url, anyio.get_current_task().id)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def fifty(broken: int = 0) -> Calls:
    return Calls(["/products"] * (50 - broken) + ["/broken"] * broken, lambda: None)


def threads(recorder: Recorder, calls: Calls) -> None:
    from_threads(recorder.client, calls, 20)


def tasks(recorder: Recorder, calls: Calls) -> None:
    from_tasks(recorder.async_client, calls, 20)


def both(recorder: Recorder, calls: Calls) -> None:
    from_both(recorder.client, 10, recorder.async_client, 10, calls)


@pytest.mark.parametrize(("crew", "clients"), [(threads, CLIENTS), (tasks, CLIENTS), (both, 2 * CLIENTS)])
def test_a_crew_makes_every_call_on_clients_that_it_closes(crew: Crew, clients: int, recorder: Recorder) -> None:
    calls = fifty()
    crew(recorder, calls)
    assert (calls.made, recorder.paths) == (50, ["/products"] * 50)
    assert (recorder.made, recorder.open) == (clients, 0)


@pytest.mark.parametrize("crew", [threads, tasks, both])
def test_a_call_that_fails_is_one_failed_call(crew: Crew, recorder: Recorder) -> None:
    calls = fifty(broken=3)
    crew(recorder, calls)
    assert (calls.made, calls.failures) == (50, ["ConnectionError: no connection"] * 3)


def test_tasks_share_the_calls(recorder: Recorder) -> None:
    tasks(recorder, fifty())
    assert len(recorder.callers) == 20


@pytest.mark.parametrize("crew", [threads, both])
def test_an_interrupted_crew_hands_out_no_more_calls(crew: Crew, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("prio_middleware.demo.crews.wait", interrupt)
    monkeypatch.setattr("prio_middleware.demo.crews.from_tasks", interrupt)
    calls = Calls(iter(lambda: "/products", None), lambda: None)
    with pytest.raises(KeyboardInterrupt):
        crew(recorder, calls)
    assert (calls.over, recorder.open) == (True, 0)
