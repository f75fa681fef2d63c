from __future__ import annotations

import linecache
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from prio_middleware.demo.load import CLIENTS, Calls, from_both, from_tasks, from_threads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterator
    from types import FrameType

    Load = Callable[["Recorder", Calls], None]


class Recorder:
    """Makes clients that record their paths and callers, and fail for the path /broken."""

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
        self._never = threading.Event()

    def get(self, url: str) -> None:
        self._never.wait(0.0001)  # As I/O does, this lets other threads run.
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


def threads(recorder: Recorder, calls: Calls) -> None:
    from_threads(recorder.client, calls, 20)


def tasks(recorder: Recorder, calls: Calls) -> None:
    from_tasks(recorder.async_client, calls, 20)


def both(recorder: Recorder, calls: Calls) -> None:
    from_both(recorder.client, 10, recorder.async_client, 10, calls)


@pytest.mark.parametrize(("load", "clients"), [(threads, CLIENTS), (tasks, CLIENTS), (both, 2 * CLIENTS)])
def test_every_call_is_made_and_every_client_closed(load: Load, clients: int, recorder: Recorder) -> None:
    ended: list[None] = []
    calls = Calls(["/products"] * 47 + ["/broken"] * 3, lambda: ended.append(None))
    load(recorder, calls)
    assert (calls.made, len(ended), sorted(recorder.paths)) == (50, 50, ["/broken"] * 3 + ["/products"] * 47)
    assert calls.notes() == ["3 calls had no response. ConnectionError: no connection"]
    assert (recorder.made, recorder.open) == (clients, 0)


def test_every_path_is_handed_out_once_to_many_threads() -> None:
    calls = Calls((str(number) for number in range(2000)), lambda: None)
    with ThreadPoolExecutor(8) as pool:
        taken = [job.result() for job in [pool.submit(list[str], calls) for _ in range(8)]]
    assert sorted(int(path) for paths in taken for path in paths) == list(range(2000))


def test_the_rate_is_text() -> None:
    calls = Calls([], lambda: None)
    calls.made, calls.started, calls.ended = 3000, 10.0, 12.0
    assert calls.rate() == "3,000 calls in 2.0 s, 1,500 a second."
    assert calls.notes() == []


def waits_for_a_future(thread: int) -> bool:
    """Return True if ``thread`` blocks in a wait for a future. An interrupt elsewhere may leave a lock of a future locked."""
    frame: FrameType | None = sys._current_frames()[thread]  # noqa: SLF001 - documented
    assert frame is not None
    if "waiter.acquire(" not in linecache.getline(frame.f_code.co_filename, frame.f_lineno):
        return False
    while frame is not None and frame.f_globals["__name__"] != "concurrent.futures._base":
        frame = frame.f_back
    return frame is not None


@pytest.fixture
def _first_ctrl_c_interrupts() -> Iterator[None]:
    """Let the first SIGINT raise KeyboardInterrupt, and ignore the others."""
    interrupts = iter([KeyboardInterrupt])

    def handle(*_: object) -> None:
        for interrupt in interrupts:
            raise interrupt

    before = signal.signal(signal.SIGINT, handle)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_first_ctrl_c_interrupts")
@pytest.mark.parametrize("load", [threads, both])
def test_an_interrupted_load_hands_out_no_more_calls(load: Load, recorder: Recorder) -> None:
    main = threading.main_thread().ident
    assert main is not None
    assert main == threading.get_ident()

    def interrupt() -> None:
        # Repeated: a signal that arrives just before a thread blocks does not wake it.
        if len(recorder.callers) == 20 and waits_for_a_future(main):
            signal.pthread_kill(main, signal.SIGINT)

    calls = Calls(iter(lambda: "/products", None), interrupt)
    with pytest.raises(KeyboardInterrupt):
        load(recorder, calls)
    assert (calls.stopped, recorder.open) == (True, 0)
    assert calls.made > 0
