"""Exported metrics: series from zero on, correct and bounded."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry.metrics import Meter, NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader, Sum

from prio_middleware import AccessToken, ClientCredentialsProvider, PrioError, StaticTokenProvider, build
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.effects import Pause
from prio_middleware.oauth.shared.circuit_breaker import CircuitBreaker
from prio_middleware.oauth.shared.coordinator import SharedTokens
from prio_middleware.oauth.shared.store import store_observer
from prio_middleware.telemetry import metrics, names
from prio_middleware.telemetry.counters import (
    ACQUISITIONS,
    BLOCK_REASONS,
    NAMES_LIMIT,
    OTHER,
    ClientCounters,
    MetricsRegistry,
)
from prio_middleware.telemetry.metrics import HELD_LIMIT, Telemetry, instruments_for, version
from prio_middleware.telemetry.names import CLIENT, FAILURES, METRICS, SCHEMA_URL, SCOPE
from tests.oauth import helpers
from tests.oauth.shared.fleet import Fleet, Run, keyring
from tests.telemetry.helpers import FORKS, Recorder
from tests.transports.matrix import MatrixClient, Server, settings

pytestmark = pytest.mark.anyio
PREFIX = "prio_middleware."


@pytest.fixture
def anyio_backend(matrix: MatrixClient) -> str:
    return matrix.backend


@pytest.mark.pitfall(id="first-count")
async def test_what_matters_is_there_before_it_happens(matrix: MatrixClient, recorder: Recorder) -> None:
    matrix.client(Server(matrix), settings=settings(preset="prio"), **recorder.options)
    assert recorder.values(f"{PREFIX}token.acquisitions") == dict.fromkeys(set(ACQUISITIONS) - {"waited"}, 0)
    expected = set(FAILURES) - {"unchanged_token", "_OTHER"}
    assert recorder.values(f"{PREFIX}token.request.failures") == dict.fromkeys(expected, 0)
    assert recorder.values(f"{PREFIX}clients.without_token") == {None: 0}
    assert set(recorder.points(f"{PREFIX}requests.blocked")) == {(reason,) for reason in BLOCK_REASONS}
    assert recorder.values(f"{PREFIX}reauthentications") == dict.fromkeys(("succeeded", "rejected"), 0)
    assert recorder.values(f"{PREFIX}responses") == dict.fromkeys((200, 401, 403), 0)
    for absent in ("client_error.usage", "client_error.limit", "token.waiters", "token.expiry.timestamp"):
        assert recorder.values(f"{PREFIX}{absent}") == {}


@pytest.mark.pitfall(id="series-explosion")
@pytest.mark.parametrize("client_kind", ["httpx2-asyncio"], indirect=True)
async def test_a_healthy_client_makes_at_most_25_series(matrix: MatrixClient, recorder: Recorder) -> None:
    """Of 110 clients, 100 have their names. Each had concurrent calls and a refresh; faults add series."""
    clients = [matrix.client(Server(matrix), settings=settings(name=f"shop {n}"), **recorder.options) for n in range(110)]
    for client in clients[:3]:
        for _ in range(3):
            await client.get()
    for counters in build.registry.clients():
        counters.acquisitions["waited"] += 1
        counters.acquisitions["fetched"] += 1
        counters.answered[200] += 1
        for reason in ("initial", "expiring"):
            counters.count_fetch(0.1, reason, "ok", 1, "endpoint")
    points = {
        metric.name: [dict(point.attributes or {}) for point in metric.data.data_points]
        for scope in recorder.scopes()
        for metric in scope.metrics
    }
    by_client = Counter(attributes[CLIENT] for found in points.values() for attributes in found if CLIENT in attributes)
    assert len(by_client) == 101
    assert by_client["shop 0"] == max(by_client.values()) == 25  # The others have no token, so no expiry.
    of_the_process = [(metric, len(points.get(metric.name, ()))) for metric in METRICS if CLIENT not in metric.attributes]
    # In Prometheus, a histogram has a series for each bound, and three more.
    bounds = {"histogram": len(metrics.BUCKETS) + 3}
    assert sum(bounds.get(metric.kind, 1) * points for metric, points in of_the_process) <= 50


def test_a_gauge_is_absent_while_there_is_nothing_to_show(recorder: Recorder) -> None:
    counters = ClientCounters("shop")
    metrics.instruments_for(Telemetry(None, recorder.meter_provider), counters)
    seen = []
    for waiting in (0, 2, 0):
        counters.waiting = waiting
        seen.append(recorder.values(f"{PREFIX}token.waiters"))
    assert seen == [{}, {None: 2}, {}]


@pytest.mark.pitfall(id="late-counts")
async def test_every_failed_attempt_counts_when_it_fails(recorder: Recorder) -> None:
    clock = helpers.Clock()
    server = helpers.Server(helpers.answer(503), helpers.answer(429), helpers.refused("invalid_client", 401))
    provider = helpers.provider(clock)
    counters = provider.counters
    seen: list[set[str]] = []

    def look(_: Pause) -> None:
        found = recorder.values(f"{PREFIX}token.request.failures", counters.name)
        seen.append({kind for kind, count in found.items() if count})

    with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
        metrics.instruments_for(Telemetry(None, recorder.meter_provider), counters)
        helpers.play_pauses(provider.acquire(DEFAULT_OPTIONS, None), server, clock, look)
    assert seen == [{"5xx"}, {"5xx", "429"}]
    assert recorder.values(f"{PREFIX}token.request.failures", counters.name)["invalid_client"] == 1


@pytest.mark.parametrize(
    ("error", "kind"), [("ConnectTimeout", "timeout"), ("ReadError", "connection_error"), ("ConnectError", "connection_error")]
)
async def test_calls_without_a_response_count_with_their_error(
    matrix: MatrixClient, recorder: Recorder, error: str, kind: str
) -> None:
    def fail(request: Any) -> Any:
        raise getattr(matrix.library, error)("no")

    client = matrix.client(Server(matrix, respond=fail), **recorder.options)
    for url in ("/products", "https://elsewhere.example/"):  # The second one is none of this client's API.
        with pytest.raises(matrix.library.TransportError):
            await client.get(url)
    assert {key: n for key, n in recorder.values(f"{PREFIX}responses").items() if n} == {kind: 1}


@pytest.mark.pitfall(id="series-explosion")
async def test_the_number_of_other_clients_without_a_token_is_reported(
    matrix: MatrixClient, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Server(matrix, token=lambda _: matrix.library.Response(401, json={"error": "invalid_client"}))
    healthy = Server(matrix)

    def client(name: str, server: Server) -> Any:
        options = settings(name=name, client_id=name, metric_client_limit=1)
        return matrix.client(server, settings=options, **recorder.options)

    clients = [client("one", healthy), client("two", healthy), client("three", failing), client("four", failing)]
    for each in clients:
        with contextlib.suppress(PrioError):
            await each.get()
    found = recorder.points(f"{PREFIX}clients.without_token")
    assert {labels: point.value for labels, point in found.items()} == {("one",): 0, (OTHER,): 2}
    assert {getattr(record, "prio_client", None) for record in caplog.records if record.levelname == "WARNING"} == {
        "three",
        "four",
    }


async def test_a_client_whose_calls_all_have_a_scope_counts_as_without_a_token(
    matrix: MatrixClient, recorder: Recorder
) -> None:
    server = Server(matrix, token=lambda _: matrix.library.Response(400, json={"error": "invalid_scope"}))
    client = matrix.client(server, **recorder.options)
    for scope in ("read", "write"):
        with pytest.raises(PrioError):
            await client.get(extensions={"prio": {"scope": scope}})
    assert recorder.values(f"{PREFIX}clients.without_token") == {None: 1}


@pytest.mark.pitfall(id="alert-after-recovery")
async def test_a_client_is_without_a_token_until_a_fetch_succeeds(matrix: MatrixClient, recorder: Recorder) -> None:
    healthy = Server(matrix)
    answers = [matrix.library.Response(400, json={"error": "invalid_scope"})]
    server = Server(matrix, token=lambda _: answers.pop() if answers else healthy.grant())
    client = matrix.client(server, settings=settings(failure_cooldown=0), **recorder.options)
    seen = []
    for _ in range(2):
        with contextlib.suppress(PrioError):
            await client.get()
        seen.append(recorder.values(f"{PREFIX}clients.without_token"))
    assert seen == [{None: 1}, {None: 0}]


async def test_evicted_tokens_are_counted(matrix: MatrixClient, recorder: Recorder) -> None:
    client = matrix.client(Server(matrix), settings=settings(token_cache_size=2), **recorder.options)
    for scope in ("a", "b", "c", "d"):
        await client.get(extensions={"prio": {"scope": scope}})

    assert recorder.points(f"{PREFIX}token.evictions")[()].value == 2


async def test_what_happened_is_counted(matrix: MatrixClient, recorder: Recorder) -> None:
    server = Server(matrix)
    client = matrix.client(server, settings=settings(foreign_origins="refuse"), **recorder.options)
    for _ in range(3):
        await client.get()
    server.revoke(1)
    await client.get()
    for url in ("http://api.example/", "https://elsewhere.example/"):
        with pytest.raises(PrioError):
            await client.get(url)
    acquired = recorder.values(f"{PREFIX}token.acquisitions")
    rejected = {reason: point.value for (reason,), point in recorder.points(f"{PREFIX}requests.blocked").items()}
    assert acquired == {"cached": 3, "fetched": 2, "cooling_down": 0, "failed": 0}
    assert {reason: count for reason, count in rejected.items() if count} == {"plain_http": 1, "foreign_origin": 1}
    assert recorder.values(f"{PREFIX}reauthentications")["succeeded"] == 1
    assert {status: n for status, n in recorder.values(f"{PREFIX}responses").items() if n} == {200: 4, 401: 1}
    assert recorder.values(f"{PREFIX}client_error.usage") == {None: 1}
    (expiry,) = recorder.values(f"{PREFIX}token.expiry.timestamp").values()
    assert expiry == pytest.approx(time.time() + 3600, abs=30)
    durations = recorder.points(f"{PREFIX}token.fetch.duration")
    assert {labels: point.count for labels, point in durations.items()} == {(): 2}
    assert recorder.values(f"{PREFIX}token.fetches") == {"initial": 1, "rejected": 1}
    assert set(next(iter(durations.values())).explicit_bounds) == set(metrics.BUCKETS)


async def test_an_expiry_is_told_where_every_call_asks_for_a_scope(matrix: MatrixClient, recorder: Recorder) -> None:
    client = matrix.client(Server(matrix), **recorder.options)
    await client.get(extensions={"prio": {"scope": "read"}})
    (expiry,) = recorder.values(f"{PREFIX}token.expiry.timestamp").values()
    assert expiry == pytest.approx(time.time() + 3600, abs=30)


async def test_failures_and_hold_backs_are_told_apart(matrix: MatrixClient, recorder: Recorder) -> None:
    server = Server(matrix, token=lambda _: matrix.library.Response(401, json={"error": "invalid_client"}))
    client = matrix.client(server, **recorder.options)
    for _ in range(3):
        with pytest.raises(PrioError):
            await client.get()
    assert recorder.values(f"{PREFIX}token.acquisitions") == {
        "cached": 0,
        "fetched": 0,
        "cooling_down": 2,
        "failed": 1,
    }
    assert recorder.points(f"{PREFIX}requests.blocked")["cooling_down",].value == 2
    assert recorder.values(f"{PREFIX}client_error.usage") == {None: 1}
    assert set(recorder.points(f"{PREFIX}token.fetch.duration")) == {("invalid_client",)}
    assert recorder.values(f"{PREFIX}token.request.failures")["invalid_client"] == 1


async def test_a_request_that_cannot_be_made_failed(matrix: MatrixClient, recorder: Recorder) -> None:
    with pytest.raises(PrioError):
        await matrix.client(Server(matrix), **recorder.options).get(extensions={"prio": {"scope": "a\nb"}})
    assert recorder.values(f"{PREFIX}token.acquisitions")["failed"] == 1


@pytest.mark.pitfall(id="duplicate-instruments")
async def test_several_clients_share_the_instruments_and_none_is_lost(
    matrix: MatrixClient, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    """Instruments made by each client would be duplicates, of which the SDK keeps the first callback only."""
    for name in ("berlin", "paris", "rome"):
        client = matrix.client(Server(matrix), settings=settings(name=name), **recorder.options)
        await client.get()
        await client.get()
        await client.close()
    for name in ("berlin", "paris", "rome"):
        acquired = recorder.values(f"{PREFIX}token.acquisitions", name)
        assert (acquired["fetched"], acquired["cached"]) == (1, 1)
    assert "already" not in caplog.text


async def test_totals_outlive_their_clients(matrix: MatrixClient, recorder: Recorder) -> None:
    for _ in range(3):
        pipeline = build.build_pipeline(settings())  # A new one, which nothing else keeps.
        inner = matrix.library.MockTransport(Server(matrix))
        client = matrix.caller(matrix.transport(inner, pipeline=pipeline, **recorder.options))
        await client.get()
        await client.close()
        del client, inner, pipeline
        gc.collect()
    assert recorder.values(f"{PREFIX}token.acquisitions")["fetched"] == 3
    assert recorder.values(f"{PREFIX}token.expiry.timestamp") == {}


async def test_a_meter_provider_sees_the_clients_it_was_given_to(matrix: MatrixClient, recorder: Recorder) -> None:
    other = Recorder()
    await matrix.client(Server(matrix), settings=settings(name="berlin"), **recorder.options).get()
    await matrix.client(Server(matrix), settings=settings(name="paris"), **other.options).get()
    names = {labels[0] for labels in recorder.points(f"{PREFIX}clients.without_token")}
    others = {labels[0] for labels in other.points(f"{PREFIX}clients.without_token")}
    assert "berlin" in names
    assert "paris" not in names
    assert "paris" in others
    assert "berlin" not in others


async def test_a_custom_provider_is_measured(matrix: MatrixClient, recorder: Recorder) -> None:
    transport = matrix.transport(
        matrix.library.MockTransport(Server(matrix)),
        provider=StaticTokenProvider("fixed-token"),
        origins=["https://api.example"],
        **recorder.options,
    )
    await matrix.caller(transport).get()
    assert recorder.values(f"{PREFIX}token.acquisitions", "default")["cached"] == 1
    assert recorder.values(f"{PREFIX}token.expiry.timestamp", "default") == {}


def test_every_declared_metric_is_exported_and_no_other(recorder: Recorder) -> None:
    provider, server = helpers.provider(), helpers.Server()
    counters = provider.counters
    counters.client_error_limit = 60
    counters.add_provider(provider)
    telemetry = Telemetry(recorder.tracer_provider, recorder.meter_provider)
    with telemetry.in_use():
        leading, waiting = (helpers.inline(provider.acquire(DEFAULT_OPTIONS, None)) for _ in range(2))
        next(leading)
        next(waiting)
        with pytest.raises(StopIteration) as end:
            leading.send(server(None))  # type: ignore[arg-type]  # the script looks at no request
        with pytest.raises(StopIteration):
            waiting.send(end.value.value)
        sharing = Sharing()
        sharing.token()
    counters.waiting += 1
    counters.count_client_error(404)
    (scope,) = recorder.scopes()
    assert (scope.scope.name, scope.scope.version, scope.scope.schema_url) == (SCOPE, version(), SCHEMA_URL)
    exported = {(found.name, kind_of(found.data), found.unit) for found in scope.metrics}
    assert exported == {(metric.name, metric.kind, metric.unit) for metric in METRICS}
    for found in scope.metrics:
        (declared,) = (set(metric.attributes) for metric in METRICS if metric.name == found.name)
        assert found.data.data_points
        assert all((point.attributes or {}).keys() <= declared for point in found.data.data_points)
    assert sharing.tokens.store_report().published == 1


def kind_of(data: object) -> str:
    """Return the kind of metric as an exporter sees it."""
    match data:
        case Histogram():
            return "histogram"
        case Sum():
            return "counter" if data.is_monotonic else "updowncounter"
        case _:
            return "gauge"


class Sharing:
    """A provider that shares its tokens through a store, in virtual time. What the store does is recorded."""

    def __init__(self) -> None:
        self.fleet = Fleet(helpers.token())
        clock, counters = self.fleet.clock, ClientCounters("shop")
        shared = SharedTokens(
            self.fleet.store,
            keyring(),
            circuit=CircuitBreaker(lambda: 0.5),
            observe=store_observer(counters),
            clock=clock,
            draw=lambda: 0.5,
        )
        self.tokens = ClientCredentialsProvider(helpers.endpoint(), shared=shared, counters=counters, clock=clock)
        counters.add_provider(self.tokens)

    def token(self) -> None:
        run = Run(self.fleet, helpers.inline(self.tokens.acquire(DEFAULT_OPTIONS, None)))
        assert isinstance(run.finish(), AccessToken)


def test_of_a_shared_store_it_is_told_how_it_helped_and_whether_it_answers(recorder: Recorder) -> None:
    with Telemetry(None, recorder.meter_provider).in_use():
        sharing = Sharing()
        sharing.token()
        sharing.fleet.store.down = "TimeoutError READONLY"
        sharing.fleet.clock.now += 10_000
        before = recorder.values(f"{PREFIX}token_store.outcomes")
        sharing.token()

    assert recorder.values(f"{PREFIX}token_store.outcomes")["fallback"] == before["fallback"] + 1
    assert recorder.values(f"{PREFIX}token_store.circuit") == {None: 1}
    assert ("timeout", "read") in recorder.points(f"{PREFIX}token_store.operation.duration")


def test_a_meter_provider_that_was_given_can_be_forgotten() -> None:
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    counters = ClientCounters("shop")
    made = metrics.instruments_for(Telemetry(None, provider), counters)
    kept = weakref.ref(provider)
    assert metrics.instruments_for(Telemetry(None, provider), counters) is made
    del made
    provider.shutdown()
    del provider
    gc.collect()
    assert kept() is None


@FORKS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_counts_its_own(recorder: Recorder) -> None:
    clock, server = helpers.Clock(), helpers.Server()
    provider = helpers.provider(clock)

    def fetch() -> dict[Any, Any]:
        clock.now += 4000
        with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
            helpers.play(provider.acquire(DEFAULT_OPTIONS, None), server, clock)
        return recorder.values(f"{PREFIX}token.acquisitions")

    for _ in range(3):
        fetch()
    child = os.fork()
    if child == 0:
        try:
            os._exit(fetch()["fetched"])
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert fetch()["fetched"] == 4


@FORKS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_fetch_before_a_fork_is_no_fetch_of_the_child(recorder: Recorder) -> None:
    clock, server = helpers.Clock(), helpers.Server()
    with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
        helpers.play(helpers.provider(clock).acquire(DEFAULT_OPTIONS, None), server, clock)
    child = os.fork()
    if child == 0:
        try:
            os._exit(sum(point.count for point in recorder.points(f"{PREFIX}token.fetch.duration").values()))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sum(point.count for point in recorder.points(f"{PREFIX}token.fetch.duration").values()) == 1


def test_a_duration_of_another_process_is_dropped_where_a_fork_runs_no_hooks(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = ClientCounters("shop")
    instruments = instruments_for(Telemetry(None, recorder.meter_provider), counters)
    instruments.record(names.FETCH_DURATION, 0.1, {})
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: 1)
        assert recorder.points(names.FETCH_DURATION.name) == {}
    assert recorder.points(names.FETCH_DURATION.name) == {}


def test_durations_are_not_held_without_bound(recorder: Recorder) -> None:
    counters = ClientCounters("shop")  # The instruments keep no reference to it.
    instruments = instruments_for(Telemetry(None, recorder.meter_provider), counters)
    for _ in range(HELD_LIMIT + 2):
        instruments.record(names.FETCH_DURATION, 0.1, {})
    (point,) = recorder.points(names.FETCH_DURATION.name).values()
    assert point.count == HELD_LIMIT + 2


@FORKS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_what_was_under_way_when_a_process_was_forked_is_the_parents_alone(recorder: Recorder) -> None:
    counters = ClientCounters("shop")
    give_up = under_way(recorder, counters)
    child = os.fork()
    if child == 0:
        try:
            os._exit(give_up() != (0, 0))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert counters.waiting == 1
    assert give_up() == (0, 1)
    assert (len(recorder.fetches()), len(recorder.waits())) == (1, 1)


def test_a_forked_process_without_fork_hooks_reports_its_own_metrics(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up = under_way(recorder, ClientCounters("shop"))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert give_up() == (1, 0)  # Not counted down; the next slow path starts from zero.
    assert recorder.spans() == []


def under_way(recorder: Recorder, counters: ClientCounters) -> Callable[[], tuple[int, int]]:
    """Begin a fetch and a call that waits for it. The result ends both, and returns how many wait and how many ended."""
    provider = helpers.provider()
    provider.counters = counters
    with Telemetry(recorder.tracer_provider, recorder.meter_provider).in_use():
        leading, waiting = (helpers.inline(provider.acquire(DEFAULT_OPTIONS, None)) for _ in range(2))
        next(leading)
        next(waiting)

    def give_up() -> tuple[int, int]:
        waiting.close()
        leading.close()
        return counters.waiting, len(counters.fetches)

    return give_up


class Watched(NoOpMeterProvider):
    """A meter provider that counts its meters. It makes none until ``may_make`` is set."""

    def __init__(self) -> None:
        self.asked, self.may_make = threading.Event(), threading.Event()
        self.meters = 0

    def get_meter(self, *args: Any, **options: Any) -> Meter:
        self.meters += 1
        self.asked.set()
        assert self.may_make.wait(30)
        return super().get_meter(*args, **options)


@FORKS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_process_that_is_forked_while_instruments_are_made_can_make_its_own() -> None:
    slow, counters = Watched(), ClientCounters("shop")
    with ThreadPoolExecutor(1) as threads:
        making = threads.submit(metrics.instruments_for, Telemetry(None, slow), counters)
        assert slow.asked.wait(30)
        child = os.fork()
        if child == 0:
            try:
                signal.alarm(20)  # A lock that was copied as it was held would never be free.
                metrics.instruments_for(Telemetry(None, NoOpMeterProvider()), counters)
                os._exit(0)
            finally:
                os._exit(99)
        status = os.waitpid(child, 0)[1]
        slow.may_make.set()
    assert os.waitstatus_to_exitcode(status) == 0
    assert making.result() is metrics.instruments_for(Telemetry(None, slow), counters)


def test_instruments_are_made_once_however_many_ask_at_once() -> None:
    provider, counters, together = Watched(), ClientCounters("shop"), threading.Barrier(8)
    provider.may_make.set()

    def ask(_: int) -> metrics.Instruments:
        together.wait(30)
        return metrics.instruments_for(Telemetry(None, provider), counters)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1
    assert provider.meters == 1
    assert metrics.instruments_for(Telemetry(), counters) is metrics.instruments_for(Telemetry(), counters)


def test_a_client_loads_no_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.metrics")
    counters = ClientCounters("shop")
    metrics.announce(Telemetry(), counters)
    assert "opentelemetry.metrics" not in sys.modules
    assert metrics.instruments_for(Telemetry(), ClientCounters("other")).counters[id(counters)] is counters


def test_clients_of_one_name_in_two_registries_are_added_up(recorder: Recorder) -> None:
    both = [MetricsRegistry().client("shop") for _ in range(2)]
    for counters, limit, evictions in zip(both, (60, 30), (2, 3), strict=True):
        counters.evictions, counters.client_error_limit = evictions, limit
        counters.count_client_error(404)
        metrics.instruments_for(Telemetry(None, recorder.meter_provider), counters)

    assert recorder.points(f"{PREFIX}token.evictions")[()].value == 5
    assert recorder.values(f"{PREFIX}client_error.limit") == {None: 60}


def test_counters_that_the_registry_dropped_are_not_reported(recorder: Recorder) -> None:
    registry = MetricsRegistry()
    counters = registry.client("shop")
    metrics.instruments_for(Telemetry(None, recorder.meter_provider), counters)
    assert recorder.values(f"{PREFIX}clients.without_token") == {None: 0}

    registry.clear()
    assert counters.retired
    assert recorder.values(f"{PREFIX}clients.without_token") == {}


def test_the_hundred_and_first_name_is_reported_as_other(recorder: Recorder) -> None:
    alone = [ClientCounters(f"shop {number}") for number in range(NAMES_LIMIT + 2)]
    for counters in alone:
        metrics.instruments_for(Telemetry(None, recorder.meter_provider), counters)
    assert len(recorder.points(f"{PREFIX}clients.without_token")) == NAMES_LIMIT + 1
    assert recorder.values(f"{PREFIX}clients.without_token", OTHER) == {None: 0}
