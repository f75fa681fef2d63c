"""Every condition is caused for real: every alert fires for it and for nothing else, and every panel shows it."""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from tests.dropins.servers import free_port
from tests.integrations.grafana.board import Board, board, panels, substituted
from tests.integrations.prometheus.rules import alerts
from tests.integrations.prometheus.world import SCRAPE_INTERVAL, Prometheus, Series, busy, prometheus, wait_until
from tests.redis_servers import serve

PROMETHEUS = shutil.which("prometheus")
REDIS = shutil.which("redis-server")

EXPECTED = {
    ("PrioCredentialRejected", "shop", "rejected"),
    ("PrioTokenErrorBudgetBurn", "shop", "rejected"),
    ("PrioTokenExpired", "shop", "failing"),
    ("PrioTokenEndpointFailing", "shop", "failing"),
    ("PrioTokenErrorBudgetBurn", "shop", "failing"),
    ("PrioClientErrorBudget", "shop", ""),
    ("PrioReauthenticationStorm", "shop", "revoked"),
}
"""Nothing for ``steady``, who is well, and nothing for ``idle``, whose token expired long ago."""

ALL_ABSENT = ("PrioTelemetryAbsent", "", "")
"""Before any application runs."""

ABSENT = ("PrioTelemetryAbsent", "office", "")
"""After one of the two was stopped."""

SHARING = ("sharing", "sharing_too", "cut_off")
"""Who shares tokens, where there is a Redis."""

OFFERED = {
    "job": {"shop", "office"},
    "instance": {"127.0.0.1:{shop}", "127.0.0.1:{office}"},
    "credential": {"steady", "idle", "rejected", "failing", "careless", "revoked", *(SHARING if REDIS else ())},
}
"""What can be chosen at the top of the dashboard."""

Right = Callable[[list[float]], bool]


def always(value: float) -> Right:
    return lambda seen: set(seen) == {value}


def up_to(least: float, most: float = float("inf")) -> Right:
    """The highest value is that high at least, and not above ``most``."""
    return lambda seen: least <= max(seen) <= most


def below(most: float) -> Right:
    return lambda seen: min(seen) < most


SHOWN: Mapping[str, Mapping[str, Right]] = {
    "Acquisitions with a token": {"steady": always(1), "rejected": always(0), "failing": up_to(0.01, 0.99)},
    "Budget burn of the last hour": {"steady": always(0), "rejected": up_to(999.9, 1000.1), "failing": up_to(14.4, 999)},
    "Until the first token expires": {"idle": below(0), "failing": below(0), "steady": up_to(-1, 3)},
    "4xx budget in use": {"shop": up_to(0.8)},
    "Re-authentications": {"revoked": up_to(5), "steady": always(0)},
    "Processes": {"shop": always(1)},
    "How calls came by their token": {
        "steady, fresh": up_to(1),
        "steady, led": up_to(0.1),
        "steady, joined": up_to(0.1),
        "steady, failed": always(0),
        "rejected, held_back": up_to(1),
        "failing, failed": up_to(0.1),
    },
    "Until tokens expire": {"steady, 127.0.0.1:{shop}": up_to(1, 3), "idle, 127.0.0.1:{shop}": below(-3)},
    "Token fetches": {"steady, expiring": up_to(0.5), "revoked, rejected": up_to(0.5)},
    "Failed fetches": {"rejected, invalid_client": up_to(0.5), "failing, 503": up_to(0.5)},
    "How long a fetch takes": {
        "steady, median": up_to(0.1, 1),
        "steady, 95 %": up_to(0.1, 1),
        "failing, 99 %": up_to(0.25, 2.5),
    },
    "How long callers wait for another's fetch": {"steady, median": up_to(0.01, 1), "steady, 95 %": up_to(0.01, 1)},
    "Callers who wait": {"steady": up_to(1, 6), "idle": always(0)},
    "Responses of the API": {"steady, 200": up_to(1), "careless, 404": up_to(1), "revoked, 403": up_to(0.1)},
    "4xx answers within a minute": {
        "careless": up_to(20),
        "revoked": up_to(1),
        "careless, limit": always(60),
        "idle": always(0),
    },
    "Re-authentications by outcome": {"revoked, succeeded": up_to(0.5), "revoked, refused": always(0)},
    "Requests refused here": {"careless, plain_http": up_to(0.5), "rejected, held_back": up_to(1)},
}

SHOWN_OF_A_SHARED_STORE: Mapping[str, Mapping[str, Right]] = {
    "What the shared store was good for": {
        "sharing, published": up_to(0.1),
        "sharing_too, helped": up_to(0.1),
        "cut_off, alone": up_to(0.1),
    },
    "How long the shared store takes": {"sharing, median": up_to(0.0001, 0.25), "sharing, 99 %": up_to(0.0001, 1)},
    "Processes that leave the shared store alone": {"sharing": always(0), "cut_off": up_to(1)},
}

ALL_SHOWN = {**SHOWN, **SHOWN_OF_A_SHARED_STORE}
"""What each panel has to show, by its legend. In curves, what counts is the highest or the lowest point."""


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
        for panel in panels(board()):
            with subtests.test(panel["title"]):
                if panel["title"] in SHOWN_OF_A_SHARED_STORE and not REDIS:
                    pytest.skip("redis-server is not installed")
                assert wrong_on(panel, seen, ports) == {}
        for name, series, label in choices():
            with subtests.test(f"${name}"):
                assert seen.values_of(label, series) == {value.format(**ports) for value in OFFERED[name]}
        for page, query in runbook_queries():
            with subtests.test(f"{page}: {query}"):
                # A scrape that came too late, on a busy machine, leaves a moment without any series.
                wait_until(functools.partial(seen.finds, query), lambda: "nothing is found")
        wait_until(lambda: ABSENT in seen.fired(), seen.fired)
        assert seen.fired() == EXPECTED | {ABSENT, ALL_ABSENT}


def wrong_on(panel: Board, seen: Prometheus, ports: Mapping[str, int]) -> dict[str, list[float] | None]:
    """What a panel does not show as it should."""
    series = list(legend_and_values(panel, seen))
    shown = dict(series)
    assert len(shown) == len(series), "two series have one legend"
    expected = {legend.format(**ports): right for legend, right in ALL_SHOWN[panel["title"]].items()}
    return {legend: shown.get(legend) for legend, right in expected.items() if not (shown.get(legend) and right(shown[legend]))}


def legend_and_values(panel: Board, seen: Prometheus) -> Iterator[tuple[str, list[float]]]:
    """What a panel shows, by its legend."""
    variables = {
        **dict.fromkeys(("job", "instance", "credential"), ".+"),
        "__rate_interval": f"{4 * SCRAPE_INTERVAL:.0f}s",
        "__range": f"{seen.age}s",
    }
    for target in panel["targets"]:
        ask = seen.ask if target.get("instant") else seen.ask_since_start
        for series in ask(substituted(target["expr"], variables)):
            yield legend(target["legendFormat"], series), series.values


def choices() -> Iterator[tuple[str, str, str]]:
    """The variables of the dashboard, and what each offers: the values of a label in some series."""
    every = {"job": ".+", "instance": ".+"}
    for variable in board()["templating"]["list"]:
        if variable["type"] == "query":
            series, _, label = variable["query"].removeprefix("label_values(").removesuffix(")").rpartition(", ")
            yield variable["name"], substituted(series, every), label


def legend(template: str, series: Series) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: series.labels.get(found[1], ""), template)


def runbook_queries() -> list[tuple[str, str]]:
    pages = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
    return [(page.stem, block.code) for page in pages for block in blocks(page.relative_to(ROOT), "promql")]


def test_every_alert_and_every_panel_is_tried() -> None:
    assert {alert["alert"] for alert in alerts()} == {name for name, _, _ in EXPECTED | {ABSENT}}
    assert {panel["title"] for panel in panels(board())} == ALL_SHOWN.keys()
