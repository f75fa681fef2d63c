"""Count of the client compared with the server's, which includes requests in flight."""

from __future__ import annotations

import random
from itertools import product

import pytest

from prio_middleware.middleware.budget_guard import Allowance, Budget
from prio_middleware.sandbox.state import Limits
from tests.oauth.helpers import Clock


@pytest.mark.pitfall(id="shut-out")
@pytest.mark.parametrize(("guarded", "refused_share", "seed"), [(False, 0.9, 0), *product([True], [0.1, 0.9], range(4))])
def test_against_the_servers_own_count_a_guarded_client_is_never_shut_out(
    guarded: bool, refused_share: float, seed: int
) -> None:
    """Run ten minutes of traffic in bursts, with responses in any order."""
    clock, draw, server, allowance = Clock(1000.5), random.Random(seed), Limits(), Allowance(60, 1000)
    spent = Budget(clock)
    under_way: list[int] = []
    blocked = sent = 0

    def answer() -> None:
        status = under_way.pop(draw.randrange(len(under_way)))
        if status == 403:
            server.count_client_error("", clock.now, enforced=True)
        spent.settle(status)

    for _ in range(6000):
        clock.now += draw.uniform(0, 0.2)
        for _ in range(draw.choice([0, 0, 1, 2, 90])):
            if guarded and spent.spend(allowance):
                break
            sent += 1
            blocked += server.admit("", clock.now, enforced=True) is not None
            under_way.append(403 if draw.random() < refused_share else 200)
        for _ in range(draw.randint(0, len(under_way))):
            answer()

    assert sent > 500
    assert (blocked == 0) is guarded
