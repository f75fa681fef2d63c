"""Scenes with real processes, the sandbox over TLS, and a private redis-server."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prio_middleware.sandbox import Sandbox, SandboxOptions

from .crew import KEY, Hired, all_call, begin, hired, reports
from .member import Load
from .promises import Outage, Promise, of_death, of_outage, of_revocation, of_start, of_steady, of_store
from .redis_server import RedisServer

PATIENCE = 60.0
LIFETIME = 4.0
"""Seconds of a token in the scene with an outage: so several expire meanwhile."""


@dataclass(frozen=True, slots=True)
class Size:
    """Size of the scenes.

    Attributes:
        processes: at a start.
        threads: of each of them, at a start.
        calls: in the scene with an outage, in all.
        rounds: pairs of batches, for the steady state.
    """

    processes: int = 50
    threads: int = 20
    calls: int = 20_000
    rounds: int = 60

    def together(self) -> Load:
        """Let all processes call once, at the same moment."""
        return Load(self.threads, begin_at=time.monotonic() + 0.2 + 0.02 * self.processes)


@dataclass(frozen=True, slots=True)
class Place:
    """Environment of a scene."""

    sandbox: Sandbox
    redis: RedisServer
    members: list[Hired]
    size: Size


def start(place: Place) -> Iterable[Promise]:
    """Start all processes at the same moment, with a store and without."""
    for shared in (True, False):
        begin(place.members, place.sandbox, place.redis if shared else None)
        works = all_call(place.members, place.size.together())
        name = f"{place.size.processes} processes x {place.size.threads} threads"
        scene = f"{name}, {'shared' if shared else 'each its own'}"
        yield from of_start(scene, works, shared=shared)
        if shared:
            yield of_store(scene, reports(place.members))


def revocation(place: Place) -> Iterable[Promise]:
    """Let all processes call steadily, and revoke the token half-way."""
    begin(place.members, place.sandbox, place.redis)
    all_call(place.members, Load())
    load = Load(threads=2, calls=20, pause=place.size.processes / 100)
    for member in place.members:
        member.tell("call", load)
    time.sleep(load.calls * load.pause / 2)
    place.sandbox.admin.revoke()
    yield from of_revocation("revocation under load", [member.answer() for member in place.members])


def death(place: Place) -> Iterable[Promise]:
    """The first to ask for a token is killed by SIGKILL while the others wait for it."""
    begin(place.members, place.sandbox, place.redis)
    admin = place.sandbox.admin
    admin.configure(token_delay=PATIENCE)
    admin.reset_counts()
    leader, others = place.members[0], place.members[1:]
    leader.tell("call", Load())
    _until(lambda: admin.counts().token_requests == 1, "the leader asks")
    for member in others:
        member.tell("call", Load(threads=2))
    time.sleep(1)
    admin.configure(token_delay=0)
    leader.kill()
    killed_at = time.monotonic()
    works = [member.answer() for member in others]
    admin.release()
    place.members.pop(0)
    yield from of_death("leader killed mid-fetch", works, killed_at, admin.counts().token_requests)


def outage(place: Place) -> Iterable[Promise]:
    """Under load, the store is killed; when two thirds are done it is back, empty. Every fifth process has none anyhow."""
    everybody, threads = place.members[:25], 4
    others = everybody[4::5]
    members = [member for member in everybody if member not in others]
    place.sandbox.admin.configure(lifetime=LIFETIME)
    begin(members, place.sandbox, place.redis)
    begin(others, place.sandbox, None)
    all_call(everybody, Load(threads=threads))
    calls = -(-place.size.calls // (len(members) * threads))
    pause = max(0.3, LIFETIME * 21 / calls)  # So long that some six tokens expire in a third of it.
    for member in everybody:
        member.tell("call", Load(threads, calls, pause))
    time.sleep(calls * pause / 3)
    place.redis.stop()
    gone = time.monotonic()
    time.sleep(calls * pause / 3)
    place.redis.start()
    back = time.monotonic()
    works, control = ([member.answer() for member in group] for group in (members, others))
    place.sandbox.admin.configure(lifetime=3600)
    yield from of_outage(f"store killed amid {calls * threads * len(members):,} calls", works, control, Outage(gone, back))


def steady(place: Place) -> Iterable[Promise]:
    """The time of a call with a fresh token, on a transport that answers from memory: interleaved batches."""
    import httpx

    import prio_middleware.httpx as face
    from benchmarks.overhead import PATH, Timed, answer, interval, ratios
    from benchmarks.overhead import settings as plain

    def timed(**changes: object) -> Timed:
        client = face.client(settings=plain(**changes), transport=httpx.MockTransport(answer(httpx)))

        def batch(calls: int) -> float:
            began = time.perf_counter()
            for _ in range(calls):
                client.get(PATH)
            return time.perf_counter() - began

        return batch

    store = {"url": place.redis.url, "encryption_key": KEY}
    shared, alone = timed(name="shared", token_store=store), timed(name="alone")
    for warm in (shared, alone):
        warm(200)
    measured, _, _ = ratios(shared, alone, place.size.rounds, 200)
    yield from of_steady("steady state", statistics.median(measured), *interval(measured))


Scene = Callable[[Place], Iterable[Promise]]

SCENES: tuple[Scene, ...] = (start, revocation, outage, death, steady)


def play_all(size: Size, told: Callable[[str], None], scenes: Iterable[Scene] = SCENES) -> list[Promise]:
    """These scenes. ``told`` hears which one begins."""
    importlib.import_module("redis")  # Forked processes find it loaded.
    promises: list[Promise] = []
    with Sandbox(SandboxOptions(limits=False), process=True) as sandbox, RedisServer() as server:
        assert sandbox.ca_file
        with hired(size.processes, sandbox.ca_file.read_bytes()) as members:
            for scene in scenes:
                told((scene.__doc__ or "").splitlines()[0])
                promises += scene(Place(sandbox, server, members, size))
    return promises


def _until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {PATIENCE:.0f} s: {what}")
        time.sleep(0.02)
