"""A fleet of real processes, a real Redis or Valkey between them, and what may happen to either."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from prio_middleware.sandbox import Sandbox
from tests.e2e.shared.crew import Crew, Member, all_do, settings, statuses
from tests.redis_servers import Server, until

PROCESSES = 4
THREADS = 20


@pytest.mark.pitfall(id="fleet-stampede")
def test_processes_that_start_in_one_moment_make_one_token_request(crew: Crew, sandbox: Sandbox, server: Server) -> None:
    sandbox.admin.configure(token_delay=0.3)
    members = crew.ready(PROCESSES, settings(sandbox, server))
    answers = all_do(members, "call", threads=THREADS)
    reports = [member.do("report") for member in members]

    assert statuses(answers) == Counter({"200": PROCESSES * THREADS})
    assert sandbox.admin.counts().token_requests == 1
    assert sorted(report["helped"] for report in reports) == [0, *[1] * (PROCESSES - 1)]


@pytest.mark.parametrize(("server", "backend"), [("redis-server", "asyncio"), ("valkey-server", "trio")], indirect=["server"])
def test_event_loops_share_as_well(crew: Crew, backend: str, sandbox: Sandbox, server: Server) -> None:
    sandbox.admin.configure(token_delay=0.2)
    members = crew.ready(2, settings(sandbox, server))
    answers = all_do(members, "acall", backend=backend, tasks=50)

    assert statuses(answers) == Counter({"200": 100})
    assert sandbox.admin.counts().token_requests == 1


@pytest.mark.pitfall(id="fleet-revocation")
def test_a_revocation_costs_one_token_request_and_idle_processes_nothing(crew: Crew, sandbox: Sandbox, server: Server) -> None:
    members = crew.ready(PROCESSES, settings(sandbox, server))
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
def test_a_revocation_under_load_costs_one_token_request(crew: Crew, sandbox: Sandbox, server: Server) -> None:
    members = crew.ready(PROCESSES, settings(sandbox, server))
    all_do(members, "call", threads=2)
    sandbox.admin.reset_counts()
    for member in members:
        member.tell({"do": "call", "threads": THREADS, "calls": 10, "pause": 0.01})
    until(lambda: sandbox.admin.counts().calls > PROCESSES * THREADS, "load")
    sandbox.admin.revoke()
    answers = [member.answer() for member in members]

    assert statuses(answers) == Counter({"200": PROCESSES * THREADS * 10})
    assert sandbox.admin.counts().token_requests == 1


def test_a_forked_child_shares_on_connections_and_with_a_listener_of_its_own(
    crew: Crew, sandbox: Sandbox, server: Server
) -> None:
    parent, other = crew.ready(2, settings(sandbox, server))
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
def test_a_leader_that_is_killed_is_replaced_within_its_lease(crew: Crew, sandbox: Sandbox, server: Server) -> None:
    sandbox.admin.configure(token_delay=60)
    members = crew.ready(3, settings(sandbox, server, lease=3.0))
    members[0].tell({"do": "call"})
    until(lambda: server.admin().keys("*:lease") and sandbox.admin.counts().token_requests, "it has asked")
    members[0].kill()
    sandbox.admin.configure(token_delay=0)
    sandbox.admin.release()
    answers = all_do(members[1:], "call", threads=THREADS)

    assert statuses(answers) == Counter({"200": 2 * THREADS})
    assert sandbox.admin.counts().token_requests == 2


def under_load(members: list[Member], harm: Any, *, threads: int, calls: int) -> list[dict[str, Any]]:
    """Each thread takes a tenth of a second for a call: the load is to outlast the harm, not to fill the machine."""
    for member in members:
        member.tell({"do": "call", "threads": threads, "calls": calls, "pause": 0.1})
    harm()
    return [member.answer() for member in members]


@pytest.mark.pitfall(id="store-down")
@pytest.mark.parametrize("harm", ["kill", "restart empty", "pause", "fill"])
def test_no_call_fails_whatever_happens_to_the_store(crew: Crew, harm: str, sandbox: Sandbox, own_server: Server) -> None:
    sandbox.admin.configure(lifetime=1)
    server = own_server

    def do() -> None:
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

    members = crew.ready(2, settings(sandbox, server))
    answers = under_load(members, do, threads=10, calls=50)

    assert statuses(answers) == Counter({"200": 2 * 10 * 50})


@pytest.mark.parametrize("own_server", ["valkey-server"], indirect=True)
def test_sharing_returns_when_the_store_does(crew: Crew, sandbox: Sandbox, own_server: Server) -> None:
    sandbox.admin.configure(lifetime=1)
    own_server.stop()
    members = crew.ready(2, settings(sandbox, own_server))
    all_do(members, "call")
    assert [member.do("report")["circuit"] for member in members] == ["open", "open"]
    own_server.start()

    def both_share() -> bool:
        time.sleep(0.3)
        all_do(members, "call")
        return all(member.do("report")["reachable"] for member in members)

    until(both_share, "both use it again")
    sandbox.admin.configure(lifetime=3600)
    time.sleep(1)
    all_do(members, "call")
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    answers = all_do(members, "call", threads=5)

    assert statuses(answers) == Counter({"200": 10})
    assert sandbox.admin.counts().token_requests == 1


def test_clocks_five_minutes_apart_do_not_matter(crew: Crew, sandbox: Sandbox, server: Server) -> None:
    sandbox.admin.configure(lifetime=120)
    members = crew.ready(3, settings(sandbox, server), clocks=[-300.0, 300.0, 0.0])
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
