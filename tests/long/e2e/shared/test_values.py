"""Real processes, and what stands in the store between them: under other keys, made up, or moved."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

import pytest

from prio_middleware.sandbox import Sandbox
from prio_middleware.sandbox.sandbox_options import PRODUCTS
from tests.long.e2e.shared.workers import KEY, Worker, Workers, all_do, settings, statuses
from tests.redis_servers import Server

NEW_KEY = base64.urlsafe_b64encode(b"n" * 32).decode()


def with_keys(sandbox: Sandbox, server: Server, *keys: str) -> dict[str, Any]:
    return settings(sandbox, server, token_store={"url": server.url, "encryption_key": "\n".join(keys)})


def restart(members: list[Worker], values: dict[str, Any]) -> None:
    """Each as if it had just been started."""
    for member in members:
        member.do("begin", settings=values, clock=0.0)


def names(server: Server, kind: str = "token") -> list[bytes]:
    found: list[bytes] = server.admin().keys(f"*:{kind}")
    return found


def test_a_key_is_replaced_in_three_deployments_without_a_token_request_more(
    workers: Workers, sandbox: Sandbox, server: Server
) -> None:
    members = workers.ready(2, with_keys(sandbox, server, KEY))
    answers = all_do(members, "call")
    for keys in ([KEY, NEW_KEY], [NEW_KEY, KEY]):
        for member in members:  # One after the other: in between, processes of two deployments share.
            restart([member], with_keys(sandbox, server, *keys))
            answers += all_do(members, "call")
    assert sandbox.admin.counts().token_requests == 1

    sandbox.admin.revoke()  # What the old key sealed goes, as it would by expiring.
    answers += [member.do("call") for member in members]
    for member in members:
        restart([member], with_keys(sandbox, server, NEW_KEY))
        answers += all_do(members, "call")

    assert sandbox.admin.counts().token_requests == 2
    assert set(statuses(answers)) == {"200"}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("keys", [([KEY], [KEY, NEW_KEY]), ([KEY, NEW_KEY], [NEW_KEY, KEY]), ([NEW_KEY, KEY], [NEW_KEY])])
def test_while_a_key_is_replaced_a_revocation_costs_one_token_request(
    workers: Workers, keys: tuple[list[str], list[str]], order: int, sandbox: Sandbox, server: Server
) -> None:
    members = workers.ready(2, with_keys(sandbox, server, KEY))
    for member, own in zip(members, keys, strict=True):
        restart([member], with_keys(sandbox, server, *own))
    first, second = members[::order]
    answers = [first.do("call"), second.do("call")]
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    answers += [first.do("call"), second.do("call")]

    assert statuses(answers) == Counter({"200": 4})
    assert sandbox.admin.counts().token_requests == 1


def test_a_process_with_a_wrong_key_fetches_for_itself(workers: Workers, sandbox: Sandbox, server: Server) -> None:
    ours, also_ours, wrong = members = workers.ready(3, with_keys(sandbox, server, KEY))
    restart([wrong], with_keys(sandbox, server, NEW_KEY))
    answers = [member.do("call", threads=5) for member in members]
    reports = [member.do("report") for member in members]

    assert statuses(answers) == Counter({"200": 15})
    assert sandbox.admin.counts().token_requests == 2
    assert [report["hits"] for report in reports] == [0, 1, 0]
    assert [report["failures"] for report in reports] == [0, 0, 0]
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    assert statuses([ours.do("call"), wrong.do("call"), also_ours.do("call")]) == Counter({"200": 3})
    assert sandbox.admin.counts().token_requests == 2


POISON = [b"", b"\x00" * 100, b"\xff" * 500_000, b"f" * 32 + b"gAAAAA==", "another type"]


@pytest.mark.pitfall(id="store-values")
@pytest.mark.parametrize("poison", POISON, ids=["empty", "zeros", "long", "sealed by nobody", "another type"])
def test_a_poisoned_store_fails_no_call_and_is_repaired(
    workers: Workers, poison: bytes | str, sandbox: Sandbox, server: Server
) -> None:
    members = workers.ready(3, settings(sandbox, server))
    answers = [members[0].do("call")]
    (token,) = names(server)
    for kind in ("token", "lease", "refusal", "dropped"):
        key = token.replace(b":token", f":{kind}".encode())
        server.admin().delete(key)
        if isinstance(poison, bytes):
            server.admin().set(key, poison)
        else:
            server.admin().rpush(key, poison)
    answers += [member.do("call", threads=5) for member in members[1:]]

    assert set(statuses(answers)) == {"200"}
    assert sandbox.admin.counts().token_requests == 2  # the second process's, which the third one got
    assert [member.do("report")["failures"] for member in members] == [0, 0, 0]
    sandbox.admin.reset_counts()
    sandbox.admin.revoke()
    answers = [member.do("call") for member in members]  # The first of them has another token than the others.
    assert statuses(answers) == Counter({"200": 3})
    assert sandbox.admin.counts().token_requests == 1


@pytest.mark.pitfall(id="store-values")
def test_a_token_in_the_place_of_another_is_not_taken(workers: Workers, sandbox: Sandbox, server: Server) -> None:
    members = workers.ready(3, settings(sandbox, server))
    restart(members[:1], settings(sandbox, server, scope=PRODUCTS))
    members[0].do("call")
    (theirs,) = names(server)
    answers = [members[1].do("call")]
    (ours,) = set(names(server)) - {theirs}
    server.admin().copy(theirs, ours, replace=True)
    answers.append(members[2].do("call"))

    assert statuses(answers) == Counter({"200": 2})
    assert sandbox.admin.counts().token_requests == 3
    assert members[2].do("report")["hits"] == 0
