"""Real processes, and a store that is more than one server: a cluster, or a master that sentinels replace."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from prio_middleware.sandbox import Sandbox
from tests.long.e2e.shared.workers import (
    EXPIRING,
    KEY,
    Worker,
    Workers,
    all_do,
    settings,
    share_a_lasting_token,
    statuses,
    under_load,
)
from tests.redis_servers import Server, Watched, until

THREADS = 10


def in_cluster(sandbox: Sandbox, nodes: list[Server]) -> dict[str, Any]:
    others = [f"127.0.0.1:{node.port}" for node in nodes[1:]]
    table = {"url": nodes[0].url, "mode": "cluster", "nodes": others, "encryption_key": KEY}
    return settings(sandbox, nodes[0], token_store=table)


def with_sentinel(sandbox: Sandbox, watched: Watched) -> dict[str, Any]:
    table = {"url": f"redis://127.0.0.1:{watched.port}", "mode": "sentinel", "service": "shop", "encryption_key": KEY}
    return settings(sandbox, watched.master, token_store=table)


def all_share(members: list[Worker]) -> bool:
    """Return True if the last operation of each worker was answered, after a call."""
    all_do(members, "call")
    return all(member.do("report")["reachable"] for member in members)


def test_a_cluster_is_shared_and_the_loss_of_the_tokens_node_fails_no_call(
    workers: Workers, cluster: list[Server], sandbox: Sandbox
) -> None:
    members = workers.ready(3, in_cluster(sandbox, cluster))
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
    workers: Workers, sandbox: Sandbox, watched: Watched, tmp_path: Path
) -> None:
    sandbox.admin.configure(**EXPIRING)
    members = workers.ready(2, with_sentinel(sandbox, watched))
    answers = all_do(members, "call", threads=2)
    assert statuses(answers) == Counter({"200": 2 * 2})
    with under_load(members, tmp_path, threads=THREADS) as answers:
        before = sandbox.admin.counts().token_requests
        watched.master.stop()
        until(lambda: _is_master(watched.replica), "failover")
        until(lambda: sandbox.admin.counts().token_requests >= before + 2, "expiries meanwhile")
    assert statuses(answers).keys() == {"200"}

    until(lambda: all_share(members), "both found the new master")
    share_a_lasting_token(members, sandbox)
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    answers = all_do(members, "call", threads=THREADS)

    assert statuses(answers) == Counter({"200": 2 * THREADS})
    assert sandbox.admin.counts().token_requests == 1


def test_a_lease_that_a_failover_loses_costs_one_token_request_more(
    workers: Workers, sandbox: Sandbox, watched: Watched
) -> None:
    sandbox.admin.configure(token_delay=60)
    leader, other = workers.ready(2, with_sentinel(sandbox, watched))
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
