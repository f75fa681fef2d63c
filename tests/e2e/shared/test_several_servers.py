"""Real processes, and a store that is more than one server: a cluster, or a master that sentinels replace."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from prio_middleware.sandbox import Sandbox
from tests.e2e.shared.crew import KEY, Crew, Member, all_do, settings, statuses
from tests.redis_servers import Server, Watched, until

THREADS = 10


def in_cluster(sandbox: Sandbox, nodes: list[Server]) -> dict[str, Any]:
    others = [f"127.0.0.1:{node.port}" for node in nodes[1:]]
    table = {"url": nodes[0].url, "mode": "cluster", "nodes": others, "encryption_key": KEY}
    return settings(sandbox, nodes[0], token_store=table)


def with_sentinel(sandbox: Sandbox, watched: Watched) -> dict[str, Any]:
    table = {"url": f"redis://127.0.0.1:{watched.port}", "mode": "sentinel", "service": "shop", "encryption_key": KEY}
    return settings(sandbox, watched.master, token_store=table)


def all_share(members: list[Member]) -> bool:
    """Whether the last operation of each was answered, after a call."""
    time.sleep(0.2)
    all_do(members, "call")
    return all(member.do("report")["reachable"] for member in members)


def test_a_cluster_is_shared_and_the_loss_of_the_tokens_node_fails_nobody(
    crew: Crew, cluster: list[Server], sandbox: Sandbox
) -> None:
    members = crew.ready(3, in_cluster(sandbox, cluster))
    answers = all_do(members, "call", threads=THREADS)
    assert sandbox.admin.counts().token_requests == 1
    sandbox.admin.revoke()
    answers += all_do(members, "call", threads=THREADS)
    assert sandbox.admin.counts().token_requests == 2

    next(node for node in cluster if node.admin().keys("*:token")).stop()
    sandbox.admin.revoke()
    answers += all_do(members, "call", threads=THREADS)

    assert statuses(answers) == Counter({"200": 3 * 3 * THREADS})
    assert sandbox.admin.counts().token_requests <= 2 + 3


@pytest.mark.pitfall(id="store-down")
def test_no_call_fails_while_sentinels_replace_the_master_and_then_processes_share_again(
    crew: Crew, sandbox: Sandbox, watched: Watched
) -> None:
    sandbox.admin.configure(lifetime=1)
    members = crew.ready(2, with_sentinel(sandbox, watched))
    answers = all_do(members, "call", threads=2)
    for member in members:
        member.tell({"do": "call", "threads": THREADS, "calls": 150, "pause": 0.02})
    before = sandbox.admin.counts().token_requests
    watched.master.stop()
    until(lambda: _is_master(watched.replica), "failover")
    until(lambda: sandbox.admin.counts().token_requests >= before + 2, "expiries meanwhile")
    answers += [member.answer() for member in members]
    assert statuses(answers) == Counter({"200": 2 * 2 + 2 * THREADS * 150})

    until(lambda: all_share(members), "both found the new master")
    sandbox.admin.configure(lifetime=3600)
    time.sleep(1)  # What was fetched before is over.
    all_do(members, "call")
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    answers = all_do(members, "call", threads=THREADS)

    assert statuses(answers) == Counter({"200": 2 * THREADS})
    assert sandbox.admin.counts().token_requests == 1


def test_a_lease_that_a_failover_loses_costs_one_token_request_more(crew: Crew, sandbox: Sandbox, watched: Watched) -> None:
    sandbox.admin.configure(token_delay=60)
    leader, other = crew.ready(2, with_sentinel(sandbox, watched))
    leader.tell({"do": "call", "threads": THREADS})
    until(lambda: watched.master.admin().keys("*:lease") and sandbox.admin.counts().token_requests, "it has asked")
    watched.master.stop()
    until(lambda: _is_master(watched.replica), "failover")
    watched.replica.admin().flushall()  # The replica had not heard of the lease.
    sandbox.admin.configure(token_delay=0)
    answers = [other.do("call", threads=THREADS)]
    sandbox.admin.release()
    answers.append(leader.answer())

    assert statuses(answers) == Counter({"200": 2 * THREADS})
    assert sandbox.admin.counts().token_requests <= 2 + 1


def _is_master(server: Server) -> bool:
    return bool(server.admin().info("replication")["role"] == "master")
