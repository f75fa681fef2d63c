from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from prio_middleware.cli.status_report import StatusReport
from prio_middleware.telemetry.providers import StoreReport
from prio_middleware.web.status.report import Client, ClientErrors, Condition, Process, Status, Token
from tests.status import helpers


def text_of(*clients: Client, rates: dict[str, float] | None = None, console: Console | None = None) -> str:
    report = StatusReport(console or Console(file=io.StringIO()))
    return "\n".join(line.plain for line in report.lines(helpers.status(*clients), rates or {}))


def row(label: str, **changes: Any) -> str:
    lines = text_of(helpers.client(**changes)).splitlines()
    return next((line.removeprefix(f"  {label}").strip() for line in lines if line.startswith(f"  {label}")), "")


def test_a_report_begins_with_the_process_and_its_state() -> None:
    who, how, *_ = text_of(*helpers.every_condition()).splitlines()
    assert who.startswith("Process 4242 on web-1, since ")
    assert who.endswith(" (2 h 5 min), prio-middleware 0.1.0")
    assert how == "4 clients: 1 not ready, 1 warning, 1 idle, 1 ready"


def test_one_client_is_reported_in_the_singular() -> None:
    assert text_of(helpers.client()).splitlines()[1] == "1 client: 1 ready"


LIVES: list[tuple[Token, str]] = [
    (Token(), "none"),
    (Token(cooldown_seconds=7.3), "none, next fetch in 7 s"),
    (Token(None, 3600.0, 2530.4), "42 min 10 s of 1 h"),
    (Token(None, None, 60.0), "1 min of 1 min"),
    (Token(None, 3600.0, 60.0, 3.0), "1 min of 1 h, next fetch in 3 s"),
    (Token(None, 3600.0, 0.0), "expired 0 s ago"),
    (Token(None, 3600.0, -61.0, 3.0), "expired 1 min 1 s ago, next fetch in 3 s"),
    (Token(None, 10.0, 20.0), "20 s of 10 s"),
]


def test_the_life_of_the_token(subtests: pytest.Subtests) -> None:
    for token, text in LIVES:
        with subtests.test(text):
            assert row("token ", token=token) == text


BUDGETS: list[tuple[ClientErrors, str]] = [
    (ClientErrors(3, 60), "3 of 60 in the last minute"),
    (ClientErrors(1234, None), "1,234 in the last minute"),
    (ClientErrors(0, 0), "0 in the last minute"),
]


def test_the_4xx_budget(subtests: pytest.Subtests) -> None:
    for errors, text in BUDGETS:
        with subtests.test(text):
            assert row("4xx", client_errors=errors) == text


def test_requests() -> None:
    assert row("requests") == "12,435 responses: 12,345 x 200, 87 x 201, 3 x 403"
    assert row("requests", responses={}, waiting=2) == "0 responses; 2 waiting for a token"
    assert "requests  12.4 per second; 12,435 responses" in text_of(helpers.client("shop"), rates={"shop": 12.44})


def test_counts_in_words() -> None:
    assert row("tokens") == "12,430 cached, 4 fetched, 17 waited"
    assert row("re-auth") == "2 succeeded, 1 rejected again"
    assert row("not sent") == ""
    assert row("not sent", blocked={"budget": 2, "of_tomorrow": 1}) == "2 4xx budget, 1 of tomorrow"


STORES: list[tuple[StoreReport | None, str]] = [
    (None, ""),
    (StoreReport("redis"), "redis not used yet"),
    (StoreReport("redis", reachable=True, hits=1200, published=3), "redis reachable, 1,200 hits, 3 published"),
    (StoreReport("redis", reachable=False, fallbacks=1, failures=2), "redis unreachable, 1 fallbacks, 2 failures"),
]


def test_the_shared_store(subtests: pytest.Subtests) -> None:
    for store, text in STORES:
        with subtests.test(text):
            assert row("store", store=store) == text


def test_the_last_fetches() -> None:
    client = helpers.client(fetches=(helpers.FAILED, *helpers.FETCHES))
    lines = text_of(client).splitlines()[-3:]
    assert [line.split()[1:] for line in lines[1:]] == [
        ["expiring", "ok", "83", "ms", "12", "s", "ago"],
        ["rejected", "ok", "103", "ms", "1", "min", "12", "s", "ago"],
    ]
    assert lines[0].startswith("  fetches   ")
    assert lines[0].endswith("forced    invalid_client      1.2 s  3 s ago")


def test_a_fetch_that_took_more_says_so() -> None:
    fetched = helpers.every_condition()[2].fetches[1]
    assert row("fetches", fetches=(fetched,)).endswith("2.3 s  6 min 40 s ago, 3 attempts, shared")


@pytest.mark.parametrize(
    ("encoding", "terminal", "bars"), [("utf-8", True, True), ("utf-8", False, False), ("ascii", True, False)]
)
def test_bars_are_for_terminals_that_can_draw_them(encoding: str, terminal: bool, bars: bool) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    text = text_of(*helpers.every_condition(), console=Console(file=stream, force_terminal=terminal))
    assert ("█" in text) is bars
    assert "42 min 10 s of 1 h" in text


def test_what_a_server_says_is_text() -> None:
    evil = "\x1b[2J[red]x\u202e"
    client = helpers.client(
        evil,
        condition=Condition("good", evil),
        responses={evil: 1},
        acquisitions={evil: 1},
        fetches=(helpers.FAILED.__class__(helpers.AT, 1.0, evil, evil, 1, evil),),
    )
    status = Status(helpers.AT, Process(1, evil, helpers.AT, evil), (client,))
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=300, markup=False)
    for line in StatusReport(console).lines(status, {}):
        console.print(line)
    assert "\x1b[2J" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()
    assert stream.getvalue().count(r"\u001b[2J[red]x\u202e") == 9
