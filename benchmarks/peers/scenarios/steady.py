"""Cost of a call with a cached token."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator, Mapping

from ..adapters import SUBJECTS
from ..api import Api
from ..effort import Effort
from ..measuring import estimate, interleaved, ratio
from ..place import Place, in_memory, over_https
from ..subject import COLOURS, Client, Colour, Subject
from ..table import Column, Row, Table, Value, row

COLUMNS = {
    "time": Column("µs a call", 1),  # It is raced as a ratio, which is taken round by round and so tells more.
    "added": Column("added, µs", 1),
    "floor": Column("to its floor", 3, raced=True),
    "ours": Column("to ours", 2, raced=True),
}
Clock = Callable[[], float]

METHOD = """Every client in turn makes a batch of calls, in each of many rounds, in changing order. Its floor is the
same HTTP client with a fixed header. "to ours" compares whole calls with those of this library on the same HTTP
library, or on httpx2 where there is none."""

Seconds = Mapping[tuple[str, str], list[float]]


def run_in_memory(effort: Effort) -> list[Table]:
    """On a transport that answers from memory."""
    place = in_memory(Api())
    how = "on a mock transport, in processor time"  # It waits for nothing: what else the machine does need not count.
    return [_table("steady", how, place, colour, effort.rounds, effort.calls, time.process_time) for colour in COLOURS]


def run_over_https(effort: Effort) -> list[Table]:
    """Over HTTPS to the sandbox, in a process of its own on this machine."""
    with over_https() as place:
        rounds, calls = effort.https_rounds, effort.https_calls
        return [_table("https", "over HTTPS", place, colour, rounds, calls, time.perf_counter) for colour in COLOURS]


def _table(name: str, how: str, place: Place, colour: Colour, rounds: int, calls: int, clock: Clock) -> Table:
    taking_part = [subject for subject in SUBJECTS if subject.only is None]
    seconds = _seconds(taking_part, place, colour, rounds, calls, clock)
    rows = [_row(subject, colour, seconds) for subject in taking_part]
    return Table(f"{name}-{colour}", f"A call with a fresh token, {how}: {colour}", METHOD, COLUMNS, rows, plot="time")


def _seconds(subjects: list[Subject], place: Place, colour: Colour, rounds: int, calls: int, clock: Clock) -> Seconds:
    """Seconds that a call took in each round, by name and stack."""
    loop = asyncio.new_event_loop()
    clients = dict(_clients(subjects, place, colour, loop))
    measures = {key: _batch(client, place.path, colour, calls, loop, clock) for key, client in clients.items()}
    interleaved(measures, 2)
    gc.collect()
    gc.freeze()
    taken = interleaved(measures, rounds)
    gc.unfreeze()
    for client in clients.values():
        closing = client.close()
        if colour == "async":
            loop.run_until_complete(closing)
    loop.close()
    return taken


def _clients(
    subjects: list[Subject], place: Place, colour: Colour, loop: asyncio.AbstractEventLoop
) -> Iterator[tuple[tuple[str, str], Client]]:
    for subject in subjects:
        maker = subject.maker(colour)
        if isinstance(maker, str):
            continue

        async def make(maker: Callable[[Place], Client] = maker) -> Client:
            return maker(place)

        yield (subject.name, subject.stack), loop.run_until_complete(make())


def _batch(
    client: Client, path: str, colour: Colour, calls: int, loop: asyncio.AbstractEventLoop, clock: Clock
) -> Callable[[], float]:
    call = client.call

    def batch() -> float:
        start = clock()
        for _ in range(calls):
            assert call(path) == 200
        return (clock() - start) / calls

    async def abatch() -> float:
        start = clock()
        for _ in range(calls):
            assert await call(path) == 200
        return (clock() - start) / calls

    return batch if colour == "sync" else lambda: loop.run_until_complete(abatch())


def _row(subject: Subject, colour: Colour, seconds: Seconds) -> Row:
    maker = subject.maker(colour)
    if isinstance(maker, str):
        return row(subject, colour, None, maker)
    taken = seconds[subject.name, subject.stack]
    floor = seconds["floor", subject.stack]
    ours = seconds.get(("prio-middleware", subject.stack)) or seconds["prio-middleware", "httpx2"]
    added = [1e6 * (mine - theirs) for mine, theirs in zip(taken, floor, strict=True)]
    values: dict[str, Value] = {
        "time": estimate([1e6 * each for each in taken]),
        "floor": ratio(taken, floor),
        "ours": ratio(taken, ours),
    }
    if subject.role == "floor":
        return row(subject, colour, time=values["time"], ours=values["ours"])
    return row(subject, colour, added=estimate(added), **values)
