"""Revocations and refusals, simulated: ``python -m tests.long.middleware.scenarios [--seeds 60]`` prints the table.

Each scenario has bounds, which hold for every seed. The table shows the mean and the worst of all seeds.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from string import ascii_lowercase
from typing import NamedTuple

from prio_middleware.middleware.revocation.refusal import Refusal
from prio_middleware.middleware.revocation.renewal_limiter import LIMIT, REPEATED_LIMIT, RESERVE
from tests.middleware.simulation import Call, Simulation, Where

MINUTE = 60.0
REVOCATIONS = (15.0, 35.0, 55.0)
SILENT = Refusal(403, code="AUTHORIZATION_FAILURE")
INVALID = Refusal(401, challenge="invalid_token")
ODD_HOST = "odd.example.com"

Paths = Callable[[random.Random], Where | str]


def mix(closed: int | None, share: float, *, open_paths: int | None = 20) -> Callable[[random.Random], str]:
    """Return paths for a load, a ``share`` of them closed. Their number is limited; None means that no path repeats."""
    new = itertools.count()

    def pick(kind: str, number: int | None, choice: random.Random) -> str:
        return f"/{kind}/{next(new) if number is None else choice.randrange(number)}"

    def path(choice: random.Random) -> str:
        return pick("closed", closed, choice) if choice.random() < share else pick("open", open_paths, choice)

    return path


def minute_of_load(simulation: Simulation, calls: int, path: Paths, tasks: int = 100) -> None:
    a_call = 0.275
    simulation.load(tasks, calls, MINUTE * tasks / calls - a_call, path)


def known_and_lost(simulation: Simulation) -> list[Call]:
    """Return lost calls to a path that had answered before they began."""
    answered: dict[str, float] = {}
    for call in simulation.calls:
        if call.answered:
            answered[call.path] = min(call.ended, answered.get(call.path, call.ended))
    return [call for call in simulation.lost if call.began > answered.get(call.path, call.began)]


def busiest_minute(moments: Iterable[float]) -> int:
    times = list(moments)
    return max((sum(first <= at < first + MINUTE for at in times) for first in times), default=0)


# What happens: each of these prepares a simulation.


def new_ids(simulation: Simulation, *, closed: int | None, share: float) -> None:
    """Run a busy minute without repeated orders, with closed paths and three revocations."""
    minute_of_load(simulation, 3000, mix(closed, share, open_paths=None))
    _revoke(simulation, REVOCATIONS)


def new_names(simulation: Simulation, *, closed: int | None, share: float, dead: Refusal = SILENT) -> None:
    """Run a busy minute with names that match no template."""
    numbers = mix(closed, share, open_paths=None)
    simulation.refusal = lambda _, is_dead: dead if is_dead else SILENT

    def path(choice: random.Random) -> str:
        _, kind, number = numbers(choice).split("/")
        return f"/{kind}/{_name(int(number))}"

    minute_of_load(simulation, 3000, path)
    _revoke(simulation, REVOCATIONS)


def one_closed_path(simulation: Simulation) -> None:
    """Run a quiet client with new orders only: it calls a closed path, then the token is revoked."""
    new = itertools.count()
    simulation.load(5, 300, 5.0, lambda _: f"/orders/{next(new)}")
    simulation.start(simulation.call("/closed"), at=10)
    simulation.at(12, simulation.revoke)


def refuses_by_content(simulation: Simulation, *, objects: int, share: float, calls: int = 3000) -> None:
    """Run calls to twenty orders, of which some refuse a share of calls with any token."""
    simulation.allows = lambda path: int(path.rpartition("/")[2]) >= objects or simulation.random.random() >= share
    minute_of_load(simulation, calls, mix(1, 0.0))
    _revoke(simulation, REVOCATIONS)


def closed_orders(simulation: Simulation, *, share: float, orders: int | None) -> None:
    """Run calls to orders of one template, a share of them closed."""
    salt, new = simulation.random.random(), itertools.count()
    simulation.allows = lambda path: zlib.crc32(f"{path} {salt}".encode()) % 1000 >= share * 1000
    minute_of_load(simulation, 3000, lambda choice: f"/orders/{choice.randrange(orders) if orders else next(new)}")
    _revoke(simulation, REVOCATIONS)


def noise(simulation: Simulation, *, closed: int | None, share: float) -> None:
    """Run known paths and closed paths side by side, with three revocations."""
    minute_of_load(simulation, 2000, mix(closed, share))
    _revoke(simulation, REVOCATIONS)


def closed_paths(simulation: Simulation, *, closed: int | None, share: float, refusal: Refusal = SILENT) -> None:
    """Run closed paths without a revocation."""
    simulation.refusal = lambda _, __: refusal
    minute_of_load(simulation, 10_000, mix(closed, share))


def storm(simulation: Simulation) -> None:
    """Run 1,000 calls of 200 scopes, all refused."""
    simulation.allows = lambda _: False
    _scopes(simulation, 200, 1000, MINUTE)


def revoked_scopes(simulation: Simulation) -> None:
    """Revoke the tokens of 200 scopes at once."""
    _scopes(simulation, 200, 6000, 3 * MINUTE)
    _revoke(simulation, (90.0,))


def odd_ones(simulation: Simulation, *, host: str, refusal: Refusal, known: bool, from_: float) -> None:
    """Run a known path with a tenth of the calls to paths that start to refuse; then a revocation."""
    new = itertools.count()

    def path(choice: random.Random) -> Where:
        if choice.random() >= 0.1:
            return Where("/good/path")
        return Where(f"/odd/{_name(choice.randrange(20) if known else next(new))}", host)

    simulation.allows = lambda to: "odd" not in to or simulation.now < from_
    simulation.refusal = lambda to, _: refusal if "odd" in to else SILENT
    simulation.load(50, 6000, 0.75, path)
    _revoke(simulation, (30.0,))


def everything_odd(simulation: Simulation, *, host: str, calm: float) -> None:
    """Run closed paths with and without ``invalid_token``, known paths that start to refuse; then a revocation."""

    def path(choice: random.Random) -> Where:
        if choice.random() >= 0.2:
            return Where("/good/path")
        kind = choice.choice(("closed", "invalid", "odd"))
        return Where(f"/{kind}/{_name(choice.randrange(20))}", host)

    turns = {_name(number): 15 + 2 * number for number in range(20)}
    simulation.allows = lambda to: "/good/" in to or ("/odd/" in to and simulation.now < turns[to.rpartition("/")[2]])
    simulation.refusal = lambda to, _: INVALID if "invalid" in to else SILENT
    simulation.load(10, 1500, calm, path)
    _revoke(simulation, (60.0,))


def tokens_of_one_call(simulation: Simulation, *, paths: int | None, codes: int) -> None:
    """Run a hostile server that ends each token after one call with it, under changing error codes."""
    simulation.ends_token = lambda _: True
    simulation.refusal = lambda _, __: Refusal(403, code=f"CODE_{simulation.random.randrange(codes)}")
    minute_of_load(simulation, 3000, mix(1, 0.0, open_paths=paths))


def ends_tokens_of_others(simulation: Simulation) -> None:
    """Run a hostile second origin that ends tokens that a good one accepts."""
    simulation.ends_token = lambda to: "odd" in to
    simulation.allows = lambda to: "odd" not in to
    path = Where("/good/path")
    minute_of_load(simulation, 3000, lambda choice: Where("/odd", ODD_HOST) if choice.random() < 0.05 else path)


def new_codes(simulation: Simulation) -> None:
    """Run closed paths that refuse with a new error code each time, beside known ones; then revocations."""
    new = itertools.count()
    simulation.refusal = lambda to, dead: SILENT if dead and "closed" not in to else Refusal(403, code=f"CODE_{next(new)}")
    noise(simulation, closed=10, share=0.3)


def new_methods(simulation: Simulation) -> None:
    """Run an inbound user who chooses a new method for each refused call, beside known calls; then revocations."""
    new = itertools.count()

    def path(choice: random.Random) -> Where:
        return Where("/closed", method=f"M{next(new)}") if choice.random() < 0.3 else Where(f"/open/{choice.randrange(20)}")

    minute_of_load(simulation, 3000, path)
    _revoke(simulation, REVOCATIONS)


def chosen_scopes(simulation: Simulation, *, share: float) -> None:
    """Run an inbound user who chooses a new scope for each refused call, beside known calls of one scope; then revocations."""
    new = itertools.count()

    def path(choice: random.Random) -> Where:
        if choice.random() < share:
            return Where("/closed", scope=f"scope-{next(new)}")
        return Where(f"/open/{choice.randrange(20)}")

    minute_of_load(simulation, 3000, path)
    _revoke(simulation, REVOCATIONS)


def flood(simulation: Simulation) -> None:
    """Run an inbound user who calls ever new closed names, so that the memory forgets; then revocations."""
    new = itertools.count()
    simulation.load(100, 40_000, 0.5, lambda choice: f"/closed/{_name(next(new))}" if choice.random() < 0.9 else "/open/1")
    _revoke(simulation, (150.0, 170.0))


def one_of_two_nodes(simulation: Simulation) -> None:
    """Run an API of which one of two nodes does not know the key of any token."""
    simulation.allows = lambda _: simulation.random.random() < 0.5
    minute_of_load(simulation, 3000, mix(1, 0.0))


def never_valid(simulation: Simulation, *, paths: int | None) -> None:
    """Run a server that refuses every token after a while."""

    def break_down() -> None:
        simulation.revoke()
        simulation.never_valid = True

    simulation.load(20, 4000, 0.7, mix(1, 0.0, open_paths=paths))
    simulation.at(90, break_down)


def _revoke(simulation: Simulation, moments: Iterable[float]) -> None:
    for moment in moments:
        simulation.at(moment, simulation.revoke)


def _scopes(simulation: Simulation, scopes: int, calls: int, seconds: float) -> None:
    number = itertools.count()
    simulation.load(50, calls, seconds * 50 / calls - 0.275, lambda _: Where("/a", scope=f"scope-{next(number) % scopes}"))


def _name(number: int) -> str:
    letters = ""
    for _ in range(5):
        number, letter = divmod(number, 26)
        letters += ascii_lowercase[letter]
    return letters


class Outcome(NamedTuple):
    """Result of one seed.

    Attributes:
        lost: allowed calls that got a refusal.
        known: those of them whose path had answered before.
        renewals: token requests after refusals, in the busiest minute.
        tokens: token requests in all.
    """

    lost: int
    known: int
    renewals: int
    tokens: int


@dataclass(frozen=True)
class Scenario:
    """Scenario, and the limits of its results for any seed."""

    name: str
    prepare: Callable[[Simulation], None]
    lost: int = 0
    known: int = 0
    renewals: int | None = None

    def run(self, seed: int) -> Outcome:
        simulation = Simulation(seed)
        self.prepare(simulation)
        simulation.run()
        return Outcome(
            len(simulation.lost),
            len(known_and_lost(simulation)),
            busiest_minute(simulation.after_refusal),
            len(simulation.token_requests),
        )

    def holds(self, outcome: Outcome) -> bool:
        within = outcome.lost <= self.lost and outcome.known <= self.known
        return within and (self.renewals is None or outcome.renewals <= self.renewals)


IN_VAIN = LIMIT + RESERVE
HELPED = len(REVOCATIONS)
DOORS: tuple[tuple[int | None, float], ...] = ((1, 0.1), (10, 0.5), (None, 0.1), (None, 0.5))
CODES = {"403": SILENT, "invalid_token": INVALID}


def _beside_closed_paths() -> Iterator[Scenario]:
    for closed, share in DOORS:
        calls = f"{share:.0%} of calls to {closed or 'new'} closed paths"
        yield Scenario(f"every order new, {calls}", partial(new_ids, closed=closed, share=share), 3, renewals=5)
    yield Scenario("every order new, one closed path, one revocation", one_closed_path, 1, renewals=2)
    for closed, share in DOORS:
        calls = f"{share:.0%} of calls to {closed or 'new'} closed paths"
        yield Scenario(f"every name new, {calls}", partial(new_names, closed=closed, share=share), 60, renewals=5)
    explicit = partial(new_names, closed=10, share=0.1, dead=INVALID)
    yield Scenario("every name new, a dead token is invalid_token", explicit, 3, renewals=5)
    for closed, share in ((10, 0.5), (300, 0.9), (None, 0.5)):
        calls = f"{share:.0%} of calls to {closed or 'new'} closed paths"
        yield Scenario(f"known paths, {calls}", partial(noise, closed=closed, share=share), renewals=4)
    for closed in (300, None):
        for name, refusal in CODES.items():
            prepare = partial(closed_paths, closed=closed, share=0.95, refusal=refusal)
            yield Scenario(f"10,000 calls, 95% to {closed or 'new'} closed paths, {name}", prepare, renewals=2)


def _among_orders() -> Iterator[Scenario]:
    for objects, share, lost in ((1, 0.05, 10), (1, 0.5, 15), (5, 0.05, 20), (20, 0.01, 20), (20, 0.2, 40)):
        prepare = partial(refuses_by_content, objects=objects, share=share)
        yield Scenario(f"{objects} of 20 orders refusing {share:.0%} by content", prepare, lost, lost, IN_VAIN + HELPED)
    for share in (0.01, 0.05, 0.5):
        for orders in (None, 400):
            prepare = partial(closed_orders, share=share, orders=orders)
            yield Scenario(f"{share:.0%} of {orders or 'new'} orders closed", prepare, 8 if orders else 60, 4, IN_VAIN + HELPED)


def _scopes_and_origins() -> Iterator[Scenario]:
    yield Scenario("200 scopes, 1,000 calls, all refused", storm, renewals=2)
    yield Scenario("200 scopes, all revoked at once", revoked_scopes, 60, 60)
    for place, host in (("second origin", ODD_HOST), ("paths", "api.example.com")):
        for name, refusal in CODES.items():
            for known in (True, False):
                for from_ in (0.0, 25.0):
                    when = "shortly before" if from_ else "from the start"
                    odd = f"odd {place}, {name}, {'known' if known else 'new'}, {when}"
                    prepare = partial(odd_ones, host=host, refusal=refusal, known=known, from_=from_)
                    yield Scenario(f"{odd}; a good path revoked", prepare, 8, 8, IN_VAIN + 1)
    for place, host in (("second origin", ODD_HOST), ("paths", "api.example.com")):
        prepare = partial(everything_odd, host=host, calm=0.7)
        yield Scenario(f"odd {place} of every kind; a good path revoked", prepare, 12, 12, IN_VAIN + 1)
    for paths in (1, 20, None):
        yield Scenario(f"every token refused, {paths or 'new'} paths", partial(never_valid, paths=paths), 4000, 4000, LIMIT)


def _attacks() -> Iterator[Scenario]:
    for paths in (1, None):
        for codes in (1, 1000):
            name = f"hostile API: a token for each call, {paths or 'new'} paths, {codes} codes"
            yield Scenario(name, partial(tokens_of_one_call, paths=paths, codes=codes), 3000, 3000, REPEATED_LIMIT + 1)
    yield Scenario("hostile API: a second origin ends tokens", ends_tokens_of_others, 3000, 3000, REPEATED_LIMIT + 1)
    yield Scenario("hostile API: a new 403 code each time", new_codes, 0, 0, 4)
    yield Scenario("hostile user: a new method each time", new_methods, 0, 0, 4)
    for share in (0.02, 0.3):
        yield Scenario(f"hostile user: {share:.0%} of calls with a new scope", partial(chosen_scopes, share=share), 0, 0, 5)
    yield Scenario("hostile user: a flood of new names", flood, 0, 0, 5)
    yield Scenario("unlucky operator: one of two nodes refuses every token", one_of_two_nodes, 3000, 3000, IN_VAIN + HELPED)


SCENARIOS = [*_beside_closed_paths(), *_among_orders(), *_scopes_and_origins(), *_attacks()]


def row(scenario: Scenario, outcomes: list[Outcome]) -> str:
    """Return one line of the table: mean and worst of each."""
    columns = [f"{sum(values) / len(values):.1f} / {max(values)}" for values in zip(*outcomes, strict=True)]
    return f"| {scenario.name} | {' | '.join(columns)} |{'' if all(map(scenario.holds, outcomes)) else ' BEYOND ITS BOUNDS'}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.long.middleware.scenarios", description=__doc__)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    options = parser.parse_args(arguments)
    print("| scenario | lost | of known paths | renewals a minute | token requests |\n| --- | --- | --- | --- | --- |")  # noqa: T201 - its output
    right = True
    with ProcessPoolExecutor(options.processes) as pool:
        for scenario in SCENARIOS:
            if options.only in scenario.name:
                outcomes = list(pool.map(scenario.run, range(options.seeds)))
                right &= all(map(scenario.holds, outcomes))
                print(row(scenario, outcomes), flush=True)  # noqa: T201 - its output
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
