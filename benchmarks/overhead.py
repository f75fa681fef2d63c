"""Cost of the pipeline to a call with a cached token: ratios of interleaved runs against the same client without it.

    python benchmarks/overhead.py [--rounds 60] [--calls 400]

The floor is the same call over the same client on a ``MockTransport``, with the same headers fixed. Each round times a batch of
both, one after the other and in changing order, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from prio_middleware.settings import ClientSettings

BASE_URL = "https://api.example.com/v3.8/distributor"
TOKEN = {"access_token": "a" * 400, "token_type": "Bearer", "expires_in": 3600}
PATH = "/products"
Timed = Callable[[int], float]


def sync_pair(library: Any, face: Any) -> tuple[Timed, Timed]:
    """Timed batches of calls: through the pipeline, and the floor."""

    def timed(client: Any) -> Timed:
        def batch(calls: int) -> float:
            get = client.get
            start = time.perf_counter()
            for _ in range(calls):
                get(PATH)
            return time.perf_counter() - start

        return batch

    ours = face.client(settings=settings(), transport=library.MockTransport(answer(library)))
    floor = library.Client(base_url=BASE_URL, headers=fixed(), transport=library.MockTransport(answer(library)))
    return timed(ours), timed(floor)


def async_pair(library: Any, face: Any, loop: asyncio.AbstractEventLoop) -> tuple[Timed, Timed]:
    """The same for an async client."""

    def timed(client: Any) -> Timed:
        async def run(calls: int) -> float:
            get = client.get
            start = time.perf_counter()
            for _ in range(calls):
                await get(PATH)
            return time.perf_counter() - start

        return lambda calls: loop.run_until_complete(run(calls))

    ours = face.async_client(settings=settings(), transport=library.MockTransport(answer(library)))
    floor = library.AsyncClient(base_url=BASE_URL, headers=fixed(), transport=library.MockTransport(answer(library)))
    return timed(ours), timed(floor)


def settings(**changes: Any) -> ClientSettings:
    """A client of the ``rfc6749`` preset: every default component, nothing switched off."""
    values = {
        "preset": "rfc6749",
        "base_url": BASE_URL,
        "token_url": "https://api.example.com/token",
        "client_id": "shop@example.com",
        "client_secret": "benchmark",
    }
    return ClientSettings(**{**values, **changes})


def fixed() -> dict[str, str]:
    """The header that the pipeline adds, as a fixed header."""
    return {"Authorization": f"Bearer {TOKEN['access_token']}"}


def answer(library: Any) -> Callable[[Any], Any]:
    """A server that grants a token and has one product."""

    def handler(request: Any) -> Any:
        if request.url.path == "/token":
            return library.Response(200, json=TOKEN)
        return library.Response(200, content=b'{"products":[]}')

    return handler


def ratios(ours: Timed, floor: Timed, rounds: int, calls: int) -> tuple[list[float], float, float]:
    """The ratio of each round, and the median seconds of one call of each."""
    pairs: list[tuple[float, float]] = []
    for turn in range(rounds):
        if turn % 2:
            mine, theirs = ours(calls), floor(calls)
        else:
            theirs, mine = floor(calls), ours(calls)
        pairs.append((mine / calls, theirs / calls))
    mine_median, floor_median = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [mine / theirs for mine, theirs in pairs], mine_median, floor_median


def interval(values: list[float], draws: int = 2000) -> tuple[float, float]:
    """A 95 % bootstrap interval of the median."""
    chance = random.Random(1)  # noqa: S311 - a statistic, not a secret
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(draws))
    return medians[int(draws * 0.025)], medians[int(draws * 0.975)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="pairs of batches")
    parser.add_argument("--calls", type=int, default=400, help="calls in a batch")
    given = parser.parse_args()
    print(f"{'':14}{'floor':>10}{'pipeline':>11}{'added':>10}{'ratio':>8}   95 % interval of the median ratio")
    for name in ("httpx", "httpx2"):
        library, face = importlib.import_module(name), importlib.import_module(f"prio_middleware.{name}")
        loop = asyncio.new_event_loop()
        for colour, (ours, floor) in {"sync": sync_pair(library, face), "async": async_pair(library, face, loop)}.items():
            for warm in (ours, floor):
                warm(given.calls)
            gc.collect()
            gc.freeze()
            measured, mine, theirs = ratios(ours, floor, given.rounds, given.calls)
            low, high = interval(measured)
            print(
                f"{name + ' ' + colour:14}{theirs * 1e6:8.1f} µs{mine * 1e6:8.1f} µs{(mine - theirs) * 1e6:7.1f} µs"
                f"{statistics.median(measured):8.3f}   {low:.3f} to {high:.3f}",
                flush=True,
            )
        loop.close()


if __name__ == "__main__":
    main()
