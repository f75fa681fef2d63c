"""What is exported: every series from zero, right in number, and bounded."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader, Sum

from prio_middleware import ClientCredentialsProvider, PrioError, StaticTokenProvider, build
from prio_middleware.telemetry import metrics
from prio_middleware.telemetry.names import METRICS, SCHEMA_URL, SCOPE
from prio_middleware.telemetry.providers import Telemetry, version
from prio_middleware.telemetry.tally import ACQUISITIONS, REAUTHENTICATIONS, REJECTIONS, Tally
from prio_middleware.tokens.shared.observed import observer
from prio_middleware.tokens.token import DEFAULT_OPTIONS
from tests.telemetry.kit import Recorder
from tests.tokens import kit
from tests.tokens.shared.fleet import Fleet, Process
from tests.transports.world import Server, World, settings

pytestmark = pytest.mark.anyio
PREFIX = "prio_middleware."


@pytest.fixture
def anyio_backend(world: World) -> str:
    return world.backend


@pytest.mark.pitfall(id="first-count")
async def test_what_matters_is_there_before_it_happens(world: World, recorder: Recorder) -> None:
    world.client(Server(world), settings=settings(preset="prio"), **recorder.options)
    assert recorder.values(f"{PREFIX}token.acquisitions") == dict.fromkeys(ACQUISITIONS, 0)
    assert recorder.values(f"{PREFIX}requests.rejected") == dict.fromkeys(REJECTIONS, 0)
    assert recorder.values(f"{PREFIX}reauthentications") == dict.fromkeys(REAUTHENTICATIONS, 0)
    assert recorder.values(f"{PREFIX}responses") == dict.fromkeys(metrics.STATUSES, 0)
    assert recorder.values(f"{PREFIX}client_error.usage") == {None: 0}
    assert recorder.values(f"{PREFIX}client_error.limit") == {None: 60}
    assert recorder.values(f"{PREFIX}token.waiters") == {None: 0}
    assert recorder.values(f"{PREFIX}token.expiry.timestamp") == {}


async def test_what_happened_is_counted(world: World, recorder: Recorder) -> None:
    server = Server(world)
    client = world.client(server, settings=settings(foreign_origins="refuse"), **recorder.options)
    for _ in range(3):
        await client.get()
    server.revoke(1)
    await client.get()
    for url in ("http://api.example/", "https://elsewhere.example/"):
        with pytest.raises(PrioError):
            await client.get(url)
    acquired = recorder.values(f"{PREFIX}token.acquisitions")
    rejected = recorder.values(f"{PREFIX}requests.rejected")
    assert acquired == {"fresh": 3, "led": 2, "joined": 0, "held_back": 0, "failed": 0}
    assert rejected == {"plain_http": 1, "foreign_origin": 1, "held_back": 0, "budget": 0}
    assert recorder.values(f"{PREFIX}reauthentications")["succeeded"] == 1
    assert {status: n for status, n in recorder.values(f"{PREFIX}responses").items() if n} == {200: 4, 401: 1}
    assert recorder.values(f"{PREFIX}client_error.usage") == {None: 1}
    (expiry,) = recorder.values(f"{PREFIX}token.expiry.timestamp").values()
    assert expiry == pytest.approx(time.time() + 3600, abs=30)
    durations = recorder.points(f"{PREFIX}token.fetch.duration")
    assert {labels: point.count for labels, point in durations.items()} == {
        ("shop", "initial", "endpoint"): 1,
        ("shop", "rejected", "endpoint"): 1,
    }
    assert set(next(iter(durations.values())).explicit_bounds) == set(metrics.BUCKETS)


async def test_an_expiry_is_told_where_every_call_asks_for_a_scope(world: World, recorder: Recorder) -> None:
    client = world.client(Server(world), **recorder.options)
    await client.get(extensions={"prio": {"scope": "read"}})
    (expiry,) = recorder.values(f"{PREFIX}token.expiry.timestamp").values()
    assert expiry == pytest.approx(time.time() + 3600, abs=30)


async def test_failures_and_hold_backs_are_told_apart(world: World, recorder: Recorder) -> None:
    server = Server(world, token=lambda _: world.library.Response(401, json={"error": "invalid_client"}))
    client = world.client(server, **recorder.options)
    for _ in range(3):
        with pytest.raises(PrioError):
            await client.get()
    assert recorder.values(f"{PREFIX}token.acquisitions") == {"fresh": 0, "led": 0, "joined": 0, "held_back": 2, "failed": 1}
    assert recorder.values(f"{PREFIX}requests.rejected")["held_back"] == 2
    assert recorder.values(f"{PREFIX}client_error.usage") == {None: 1}
    assert set(recorder.points(f"{PREFIX}token.fetch.duration")) == {("invalid_client", "shop", "initial", "endpoint")}


async def test_a_request_that_cannot_be_made_failed(world: World, recorder: Recorder) -> None:
    with pytest.raises(PrioError):
        await world.client(Server(world), **recorder.options).get(extensions={"prio": {"scope": "a\nb"}})
    assert recorder.values(f"{PREFIX}token.acquisitions")["failed"] == 1


@pytest.mark.pitfall(id="duplicate-instruments")
async def test_several_clients_share_the_instruments_and_none_is_lost(
    world: World, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Instruments made by each client would be duplicates, of which the SDK keeps the first callback only."""
    for name in ("berlin", "paris", "rome"):
        client = world.client(Server(world), settings=settings(name=name), **recorder.options)
        await client.get()
        await client.get()
        await client.close()
    for name in ("berlin", "paris", "rome"):
        acquired = recorder.values(f"{PREFIX}token.acquisitions", name)
        assert (acquired["led"], acquired["fresh"]) == (1, 1)
    assert "already" not in caplog.text


async def test_totals_outlive_their_clients(world: World, recorder: Recorder) -> None:
    for _ in range(3):
        client = world.client(Server(world), **recorder.options)
        await client.get()
        await client.close()
        del client
        build.forget()
        gc.collect()
    assert recorder.values(f"{PREFIX}token.acquisitions")["led"] == 3
    assert recorder.values(f"{PREFIX}token.expiry.timestamp") == {}


async def test_a_meter_provider_sees_the_clients_it_was_given_to(world: World, recorder: Recorder) -> None:
    other = Recorder()
    await world.client(Server(world), settings=settings(name="berlin"), **recorder.options).get()
    await world.client(Server(world), settings=settings(name="paris"), **other.options).get()
    names = {labels[0] for labels in recorder.points(f"{PREFIX}token.waiters")}
    others = {labels[0] for labels in other.points(f"{PREFIX}token.waiters")}
    assert "berlin" in names
    assert "paris" not in names
    assert "paris" in others
    assert "berlin" not in others


async def test_a_provider_of_somebody_elses(world: World, recorder: Recorder) -> None:
    transport = world.transport(
        world.library.MockTransport(Server(world)),
        provider=StaticTokenProvider("fixed-token"),
        origins=["https://api.example"],
        **recorder.options,
    )
    await world.caller(transport).get()
    assert recorder.values(f"{PREFIX}token.acquisitions", "default")["fresh"] == 1
    assert recorder.values(f"{PREFIX}token.expiry.timestamp", "default") == {}


def test_every_declared_metric_is_exported_and_no_other(recorder: Recorder) -> None:
    provider, server, clock = kit.provider(), kit.Server(), kit.Clock()
    provider._tally.client_error_limit = 60
    provider._tally.know(provider)
    telemetry = Telemetry(recorder.tracer_provider, recorder.meter_provider)
    with telemetry.in_use():
        leading, waiting = provider.acquire(DEFAULT_OPTIONS, None), provider.acquire(DEFAULT_OPTIONS, None)
        next(leading)
        next(waiting)
        with pytest.raises(StopIteration) as end:
            leading.send(server(None))  # type: ignore[arg-type]  # the script looks at no request
        with pytest.raises(StopIteration):
            waiting.send(end.value.value)
        sharing = _process_that_shares()
    data = recorder._reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    assert (scope.scope.name, scope.scope.version, scope.scope.schema_url) == (SCOPE, version(), SCHEMA_URL)
    exported = {(found.name, kind_of(found.data), found.unit) for found in scope.metrics}
    assert exported == {(metric.name, metric.kind, metric.unit) for metric in METRICS}
    for found in scope.metrics:
        (declared,) = (set(metric.attributes) for metric in METRICS if metric.name == found.name)
        assert all((point.attributes or {}).keys() <= declared for point in found.data.data_points)
    assert clock.now
    assert sharing.shared.report().published == 1


def kind_of(data: object) -> str:
    """What an exporter takes it for."""
    match data:
        case Histogram():
            return "histogram"
        case Sum():
            return "counter" if data.is_monotonic else "updowncounter"
        case _:
            return "gauge"


def _process_that_shares() -> Process:
    process = Fleet(kit.token()).process()
    process.shared._observe = observer("shop")
    process.tokens._tally.know(process.tokens)
    process.token()
    return process


def test_of_a_shared_store_it_is_told_how_it_helped_and_whether_it_answers(recorder: Recorder) -> None:
    with Telemetry(None, recorder.meter_provider).in_use():
        process = _process_that_shares()
        process.fleet.store.down = "TimeoutError READONLY"
        process.fleet.clock.now += 10_000
        before = recorder.values(f"{PREFIX}token_store.outcomes")
        process.token()

    assert recorder.values(f"{PREFIX}token_store.outcomes")["alone"] == before["alone"] + 1
    assert recorder.values(f"{PREFIX}token_store.circuit") == {None: 1}
    assert ("TimeoutError", "shop", "look") in recorder.points(f"{PREFIX}token_store.operation.duration")


def test_a_meter_provider_that_was_given_can_be_forgotten() -> None:
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    tally = Tally("shop")
    metrics.of(Telemetry(None, provider), tally)
    kept = weakref.ref(provider)
    assert metrics.of(Telemetry(None, provider), tally) is metrics.of(Telemetry(None, provider), tally)
    provider.shutdown()
    del provider
    gc.collect()
    assert kept() is None
    assert len(tally.audience) == 0


LATE = """
import sys
import httpx
from prio_middleware.httpx import client
from tests.transports.world import Server, World, settings

world = World("httpx-sync")
first = world.client(Server(world))
if "loaded" in sys.argv:
    import opentelemetry.metrics, opentelemetry.trace
    world.client(Server(world), settings=settings(name="second"))
assert "opentelemetry" not in sys.modules or "loaded" in sys.argv
if "fetched" in sys.argv:
    first.client.get("/products")
from opentelemetry import metrics, trace
from tests.telemetry.kit import Recorder
from tests.tokens.shared.fleet import Fleet, Process
recorder = Recorder()
metrics.set_meter_provider(recorder.meter_provider)
trace.set_tracer_provider(recorder.tracer_provider)
first.client.get("/products")
world.client(Server(world), settings=settings(name="third")).client.get("/products")
values = recorder.values("prio_middleware.token.acquisitions")
assert values["led"] == 1, values
assert values["fresh"] == ("fetched" in sys.argv), values
assert recorder.values("prio_middleware.token.acquisitions", "third")["led"] == 1
spans = len(recorder.fetches())
assert spans == 1 + ("fetched" not in sys.argv), spans
points = recorder.points("prio_middleware.token.fetch.duration")
assert sum(point.count for point in points.values()) == spans, points
"""


@pytest.mark.parametrize("when", [[], ["fetched"], ["loaded"], ["loaded", "fetched"]], ids=str)
def test_a_provider_that_is_set_late_sees_everything(when: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", LATE, *when], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_counts_its_own(recorder: Recorder) -> None:
    clock, server = kit.Clock(), kit.Server()
    provider = kit.provider(clock)

    def fetch() -> dict[Any, Any]:
        clock.now += 4000
        with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
            kit.play(provider.acquire(DEFAULT_OPTIONS, None), server, clock)
        return recorder.values(f"{PREFIX}token.acquisitions")

    for _ in range(3):
        fetch()
    child = os.fork()
    if child == 0:
        try:
            os._exit(fetch()["led"])
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert fetch()["led"] == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_what_was_under_way_when_a_process_was_forked_is_the_parents_alone(recorder: Recorder) -> None:
    provider, give_up = under_way(recorder)
    child = os.fork()
    if child == 0:
        try:
            os._exit(give_up() != (0, 0))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert provider._tally.waiting == 1
    assert give_up() == (0, 1)
    assert (len(recorder.fetches()), len(recorder.waits())) == (1, 1)


def test_the_same_where_nobody_runs_the_hooks(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    _, give_up = under_way(recorder)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert give_up() == (1, 0)  # Not counted down; the next slow path starts from zero.
    assert recorder.spans() == []


def under_way(recorder: Recorder) -> tuple[ClientCredentialsProvider, Callable[[], tuple[int, int]]]:
    """A fetch and a call that waits for it, and what ends both and tells how many wait, and how many fetches have ended."""
    provider = kit.provider()
    with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
        leading, waiting = (provider.acquire(DEFAULT_OPTIONS, None) for _ in range(2))
        next(leading)
        next(waiting)

    def give_up() -> tuple[int, int]:
        waiting.close()
        leading.close()
        return provider._tally.waiting, len(provider._tally.fetches)

    return provider, give_up


def test_the_lock_of_a_forked_process_is_free() -> None:
    making = metrics._Making()
    making.lock.acquire()
    making.start_anew()
    assert making.lock.acquire(blocking=False)


def test_instruments_are_made_once_however_many_ask_at_once(recorder: Recorder) -> None:
    made = metrics._make(recorder.meter_provider)
    assert metrics._make(recorder.meter_provider) is made
    assert metrics._make(None) is metrics._make(None)


def test_a_client_loads_no_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.metrics")
    tally = Tally("shop")
    metrics.expect(Telemetry(), tally)
    assert "opentelemetry.metrics" not in sys.modules
    assert tally.is_global
