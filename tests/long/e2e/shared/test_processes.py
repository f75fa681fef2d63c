"""A fleet of real processes, a real Redis or Valkey between them, and what may happen to either."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from prio_middleware.sandbox import Sandbox
from tests.long.e2e.shared.workers import EXPIRING, Workers, all_do, settings, share_a_lasting_token, statuses, under_load
from tests.redis_servers import Server, until

PROCESSES = 4
THREADS = 20


@pytest.mark.pitfall(id="fleet-stampede")
def test_processes_that_start_in_one_moment_make_one_token_request(workers: Workers, sandbox: Sandbox, server: Server) -> None:
    sandbox.admin.configure(token_delay=0.3)
    members = workers.ready(PROCESSES, settings(sandbox, server))
    answers = all_do(members, "call", threads=THREADS)
    reports = [member.do("report") for member in members]

    assert statuses(answers) == Counter({"200": PROCESSES * THREADS})
    assert sandbox.admin.counts().token_requests == 1
    assert sorted(report["hits"] for report in reports) == [0, *[1] * (PROCESSES - 1)]


@pytest.mark.parametrize(("server", "backend"), [("redis-server", "asyncio"), ("valkey-server", "trio")], indirect=["server"])
def test_processes_with_event_loops_make_one_token_request(
    workers: Workers, backend: str, sandbox: Sandbox, server: Server
) -> None:
    sandbox.admin.configure(token_delay=0.2)
    members = workers.ready(2, settings(sandbox, server))
    answers = all_do(members, "acall", backend=backend, tasks=50)

    assert statuses(answers) == Counter({"200": 100})
    assert sandbox.admin.counts().token_requests == 1


@pytest.mark.pitfall(id="fleet-revocation")
def test_a_revocation_costs_one_token_request_and_idle_processes_nothing(
    workers: Workers, sandbox: Sandbox, server: Server
) -> None:
    members = workers.ready(PROCESSES, settings(sandbox, server))
    all_do(members, "call", threads=2)
    until(lambda: server.admin().pubsub_numsub("prio-middleware:dropped")[0][1] == PROCESSES, "all listen")
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    first = members[0].do("call", threads=THREADS)
    until(lambda: not any(member.do("report")["has_token"] for member in members[1:]), "the others have heard")
    rest = all_do(members[1:], "call", threads=THREADS)

    counts = sandbox.admin.counts()
    assert statuses([first, *rest]) == Counter({"200": PROCESSES * THREADS})
    assert counts.token_requests == 1
    assert counts.calls_by_status[403] <= THREADS  # those of the first process alone


@pytest.mark.pitfall(id="fleet-revocation")
def test_a_revocation_under_load_costs_one_token_request(
    workers: Workers, sandbox: Sandbox, server: Server, tmp_path: Path
) -> None:
    members = workers.ready(PROCESSES, settings(sandbox, server))
    all_do(members, "call", threads=2)
    sandbox.admin.reset_counts()
    with under_load(members, tmp_path, threads=THREADS) as answers:
        until(lambda: sandbox.admin.counts().calls > PROCESSES * THREADS, "load")
        sandbox.admin.revoke()
        until(lambda: sandbox.admin.counts().token_requests, "a new token is requested")
        before = sandbox.admin.counts().calls
        until(lambda: sandbox.admin.counts().calls > before + PROCESSES * THREADS, "load with the new token")

    assert statuses(answers).keys() == {"200"}
    assert sandbox.admin.counts().token_requests == 1


def test_a_forked_child_shares_on_connections_and_with_a_listener_of_its_own(
    workers: Workers, sandbox: Sandbox, server: Server
) -> None:
    parent, other = workers.ready(2, settings(sandbox, server))
    all_do([parent, other], "call")
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    child = parent.do("fork")
    assert parent.answer() == {"exit": 0}
    until(lambda: not parent.do("report")["has_token"], "the parent has heard of it")
    answers = all_do([parent, other], "call")

    assert (child["listens"], child["failures"], child["published"]) == (True, 0, parent.do("report")["published"] + 1)
    assert statuses([child, *answers]) == Counter({"200": 3})
    assert sandbox.admin.counts().token_requests == 1


@pytest.mark.pitfall(id="dead-leader")
def test_a_leader_that_is_killed_is_replaced_within_its_lease(workers: Workers, sandbox: Sandbox, server: Server) -> None:
    sandbox.admin.configure(token_delay=60)
    members = workers.ready(3, settings(sandbox, server, lease=3.0))
    members[0].tell({"do": "call"})
    until(lambda: server.admin().keys("*:lease") and sandbox.admin.counts().token_requests, "it has asked")
    members[0].kill()
    sandbox.admin.configure(token_delay=0)
    sandbox.admin.release()
    answers = all_do(members[1:], "call", threads=THREADS)

    assert statuses(answers) == Counter({"200": 2 * THREADS})
    assert sandbox.admin.counts().token_requests == 2


@pytest.mark.pitfall(id="store-down")
@pytest.mark.parametrize("harm", ["kill", "restart empty", "pause", "fill"])
def test_no_call_fails_whatever_happens_to_the_store(
    workers: Workers, harm: str, sandbox: Sandbox, own_server: Server, tmp_path: Path
) -> None:
    sandbox.admin.configure(**EXPIRING)
    server = own_server
    members = workers.ready(2, settings(sandbox, server))
    with under_load(members, tmp_path, threads=10, pause=0.1) as answers:
        until(lambda: sandbox.admin.counts().token_requests >= 1, "begun")
        before = sandbox.admin.counts().token_requests
        if harm == "pause":
            server.pause()
        elif harm == "fill":
            server.admin().config_set("maxmemory", "1")
        else:
            server.stop()
        until(lambda: sandbox.admin.counts().token_requests >= before + 2, "expiries without it")
        if harm == "restart empty":
            server.start()
        elif harm == "pause":
            server.resume()
        before = sandbox.admin.counts().token_requests
        until(lambda: sandbox.admin.counts().token_requests > before, "an expiry after it")

    assert statuses(answers).keys() == {"200"}


@pytest.mark.parametrize("own_server", ["valkey-server"], indirect=True)
def test_sharing_returns_when_the_store_does(workers: Workers, sandbox: Sandbox, own_server: Server) -> None:
    sandbox.admin.configure(**EXPIRING)
    own_server.stop()
    members = workers.ready(2, settings(sandbox, own_server))
    all_do(members, "call")
    assert [member.do("report")["circuit"] for member in members] == ["open", "open"]
    own_server.start()

    def both_share() -> bool:
        all_do(members, "call")
        return all(member.do("report")["reachable"] for member in members)

    until(both_share, "both use it again")
    share_a_lasting_token(members, sandbox)
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    answers = all_do(members, "call", threads=5)

    assert statuses(answers) == Counter({"200": 10})
    assert sandbox.admin.counts().token_requests == 1


def test_clocks_five_minutes_apart_do_not_matter(workers: Workers, sandbox: Sandbox, server: Server) -> None:
    sandbox.admin.configure(lifetime=120)
    members = workers.ready(3, settings(sandbox, server), clocks=[-300.0, 300.0, 0.0])
    answers = [member.do("call", threads=2) for member in members]
    reports = [member.do("report") for member in members]

    assert statuses(answers) == Counter({"200": 6})
    assert sandbox.admin.counts().token_requests == 1
    assert all(report["has_token"] for report in reports)
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    answers = [member.do("call", threads=2) for member in members[1:] + members[:1]]

    assert statuses(answers) == Counter({"200": 6})
    assert sandbox.admin.counts().token_requests == 1
