"""Conditions are caused for real: alerts fire for them and for nothing else, and every panel shows them."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from scripts import dashboard_picture, headless
from tests.long.docs.blocks import ROOT, blocks
from tests.long.integrations.grafana.board import Board, board, panels, substituted
from tests.long.integrations.prometheus.world import PATIENCE, Prometheus, busy, prometheus, results, wait_until
from tests.redis_servers import serve
from tests.web.servers import free_port

PROMETHEUS = shutil.which("prometheus")
REDIS = shutil.which("redis-server")

EXPECTED = {
    ("PrioCredentialRejected", "shop", "rejected"),
    ("PrioTokenErrorBudgetBurnFast", "shop", "rejected"),
    ("PrioTokenEndpointFailing", "shop", "failing"),
    ("PrioTokenErrorBudgetBurnFast", "shop", "failing"),
    ("PrioClientErrorBudget", "shop", ""),
    ("PrioReauthenticationStorm", "shop", "revoked"),
    *({("PrioTokenStoreUnavailable", "shop", "cut_off")} if REDIS else ()),
}
"""Nothing for ``steady``, who is well, and nothing for ``idle``, whose token expired long ago."""

ALL_ABSENT = ("PrioTelemetryAbsent", "", "")
"""Before any application runs."""

ABSENT = ("PrioTelemetryAbsent", "office", "")
"""After one of the two was stopped."""

SHARING = ("sharing", "sharing_too", "cut_off")
"""Clients that share tokens, if there is a Redis."""

OFFERED = {
    "job": {"shop", "office"},
    "instance": {"127.0.0.1:{shop}", "127.0.0.1:{office}"},
    "credential": {"steady", "idle", "rejected", "failing", "careless", "revoked", *(SHARING if REDIS else ())},
}
"""Values of the variables at the top of the dashboard."""

Right = Callable[[list[float]], bool]


def always(value: float) -> Right:
    return lambda seen: set(seen) == {value}


def up_to(least: float, most: float = float("inf")) -> Right:
    """Match if the highest value lies between ``least`` and ``most``."""
    return lambda seen: least <= max(seen) <= most


def below(most: float) -> Right:
    return lambda seen: min(seen) < most


SHOWN: Mapping[str, Mapping[str, Right]] = {
    "Acquisitions with a token": {"steady": always(1), "rejected": always(0), "failing": up_to(0.01, 0.99)},
    "Clients without a token": {"rejected": always(1), "failing": always(1), "steady": always(0), "idle": always(0)},
    "Budget burn of the last hour": {"steady": always(0), "rejected": up_to(999.9, 1000.1), "failing": up_to(14.4, 999)},
    "Time until the first token expires": {"idle": below(0), "failing": below(0), "steady": up_to(-5, 3)},
    "4xx budget in use": {"shop": up_to(0.8)},
    "Re-authentications": {"revoked": up_to(5), "steady": always(0)},
    "Processes": {"shop": always(1)},
    "Token acquisitions by outcome": {
        "steady, cached": up_to(1),
        "steady, fetched": up_to(0.1),
        "steady, waited": up_to(0.1),
        "steady, failed": always(0),
        "rejected, cooling_down": up_to(1),
        "failing, failed": up_to(0.1),
    },
    "Time until tokens expire": {"steady, 127.0.0.1:{shop}": up_to(1, 3), "idle, 127.0.0.1:{shop}": below(-3)},
    "Token fetches": {"steady, expiring": up_to(0.5), "revoked, rejected": up_to(0.5)},
    "Failed token requests": {
        "rejected, invalid_client": up_to(0.5),
        "failing, 5xx": up_to(0.5),
        "steady, timeout": always(0),
    },
    "Duration of fetches": {"shop, median": up_to(0.01, 10), "shop, 95 %": up_to(0.1, 10), "shop, 99 %": up_to(0.25, 10)},
    "Time that calls wait for another call's fetch": {"shop, median": up_to(0.01, 5), "shop, 95 %": up_to(0.01, 5)},
    "Waiting calls": {"steady": up_to(1, 6)},
    "Evicted tokens": {"shop": always(0)},
    "Duration of HTTP requests": {"shop, median": up_to(0.001, 10), "shop, 99 %": up_to(0.001, 10)},
    "Responses of the API": {"steady, 200": up_to(1), "careless, 404": up_to(1), "revoked, 403": up_to(0.1)},
    "4xx responses within a minute": {
        "careless": up_to(20),
        "revoked": up_to(1),
        "careless, limit": always(60),
    },
    "Re-authentications by outcome": {"revoked, succeeded": up_to(0.5), "revoked, rejected": always(0)},
    "Blocked requests": {"shop, plain_http": up_to(0.5), "shop, cooling_down": up_to(1)},
}

SHOWN_OF_A_SHARED_STORE: Mapping[str, Mapping[str, Right]] = {
    "Shared store by outcome": {
        "sharing, published": up_to(0.1),
        "sharing_too, hit": up_to(0.1),
        "cut_off, fallback": up_to(0.1),
    },
    "Duration of shared store operations": {"shop, median": up_to(0.0001, 5), "shop, 99 %": up_to(0.0001, 5)},
    "Processes without the shared store": {"sharing": always(0), "cut_off": up_to(1)},
}

ALL_SHOWN = {**SHOWN, **SHOWN_OF_A_SHARED_STORE}
"""Expected values of each panel by legend: the highest or the lowest point of a curve.

Upper limits of times tell seconds from milliseconds, and are generous: a busy machine takes longer.
"""


@pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed")
def test_every_alert_fires_for_what_it_is_about_and_every_panel_shows_it(tmp_path: Path, subtests: pytest.Subtests) -> None:
    ports = {"shop": free_port(), "office": free_port()}
    with prometheus(str(PROMETHEUS), tmp_path, ports) as seen, contextlib.ExitStack() as applications:
        wait_until(lambda: seen.fired() == {ALL_ABSENT}, seen.fired)
        shared = f"--redis={applications.enter_context(serve('redis-server', tmp_path)).port}" if REDIS else "--trouble"
        applications.enter_context(busy(tmp_path, "shop", ports["shop"], "--trouble", shared))
        close_the_office = applications.enter_context(busy(tmp_path, "office", ports["office"]))
        wait_until(lambda: seen.fired() >= EXPECTED, lambda: f"not fired: {EXPECTED - seen.fired()}")
        close_the_office()
        until = time.monotonic() + PATIENCE
        for panel in panels(board()):
            with subtests.test(panel["title"]):
                if panel["title"] in SHOWN_OF_A_SHARED_STORE and not REDIS:
                    pytest.skip("redis-server is not installed")
                wrong = functools.partial(wrong_on, panel, seen, ports)
                wait_until(functools.partial(agrees, wrong, {}), wrong, until)
        with subtests.test("the picture of the dashboard"):
            document = dashboard_picture.page(seen)
            drawn = re.findall(r"<section.*?</section>", document)
            assert len(drawn) == len(ALL_SHOWN)
            assert sum("<dd" in panel or "<path" in panel for panel in drawn) == len(ALL_SHOWN if REDIS else SHOWN)
            if not headless.missing():
                dashboard_picture.photograph(document, tmp_path / "dashboard.png")
                assert (tmp_path / "dashboard.png").read_bytes().startswith(b"\x89PNG")
        for name, series, label in choices():
            with subtests.test(f"${name}"):
                offered = {value.format(**ports) for value in OFFERED[name]}
                values = functools.partial(seen.values_of, label, series)
                wait_until(functools.partial(agrees, values, offered), values, until)
        for page, query in runbook_queries():
            with subtests.test(f"{page}: {query}"):
                # A scrape that came too late, on a busy machine, leaves a moment without any series.
                wait_until(functools.partial(seen.finds, query), lambda: "nothing is found")
        wait_until(lambda: ABSENT in seen.fired(), seen.fired)
        assert seen.fired() == EXPECTED | {ABSENT, ALL_ABSENT}


def agrees(read: Callable[[], object], expected: object) -> bool:
    return read() == expected


def wrong_on(panel: Board, seen: Prometheus, ports: Mapping[str, int]) -> dict[str, list[float] | None]:
    """Return the values of a panel that differ from the expected ones."""
    series = [(name, found.values) for name, found in results(panel, seen)]
    shown = dict(series)
    assert len(shown) == len(series), "two series have one legend"
    expected = {legend.format(**ports): right for legend, right in ALL_SHOWN[panel["title"]].items()}
    return {legend: shown.get(legend) for legend, right in expected.items() if not (shown.get(legend) and right(shown[legend]))}


def choices() -> Iterator[tuple[str, str, str]]:
    """The variables of the dashboard, and what each offers: the values of a label in some series."""
    every = {"job": ".+", "instance": ".+"}
    for variable in board()["templating"]["list"]:
        if variable["type"] == "query":
            series, _, label = variable["query"].removeprefix("label_values(").removesuffix(")").rpartition(", ")
            yield variable["name"], substituted(series, every), label


def runbook_queries() -> list[tuple[str, str]]:
    pages = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
    return [(page.stem, block.code) for page in pages for block in blocks(page.relative_to(ROOT), "promql")]


def test_every_panel_is_tried() -> None:
    assert {panel["title"] for panel in panels(board())} == ALL_SHOWN.keys()
