"""A short round of chaos, and the report on it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from prio_middleware.sandbox import Sandbox, SandboxOptions
from tests.long.chaos import rounds
from tests.long.chaos.__main__ import main
from tests.long.chaos.checks import violations
from tests.long.chaos.disturbances import ACCOUNTS, DISTURBANCES
from tests.long.chaos.history import Call, History, Span
from tests.long.chaos.report import SHOWN, Report
from tests.long.chaos.rounds import Round, play, store_of
from tests.redis_servers import BINARIES, needs

pytestmark = pytest.mark.filterwarnings("ignore:unclosed :ResourceWarning")
"""Under asyncio, the libraries leave the socket of a cancelled TLS handshake to the garbage collector."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(limits=False), process=True) as sandbox:
        yield sandbox


@pytest.mark.parametrize("binary", ["", BINARIES[0]])
def test_a_short_round(sandbox: Sandbox, binary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if binary:
        needs(binary)
    monkeypatch.setattr(rounds, "store_of", lambda _: binary)
    played = play(sandbox, DISTURBANCES, 5.0, "20.1", size=2)
    history = played.history

    assert {rule: found for rule, found in violations(history).items() if found} == {}
    assert {call.how for call in history.calls} >= {"response"}
    assert {span.what for span in played.spans} <= {disturbance.name for disturbance in DISTURBANCES}
    assert any(span.what.startswith("the store ") for span in played.spans) is bool(binary)
    assert len({call.provider for call in history.calls if not call.account}) == (2 if binary else 1)
    assert {call.account for call in history.calls} == {"", *ACCOUNTS}
    assert played.token_requests > 1


def test_a_store_is_in_some_rounds_and_always_in_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = [f"7.{number}" for number in range(60)]
    monkeypatch.setattr(rounds, "installed", lambda: BINARIES)
    stores = [store_of(seed) for seed in seeds]
    assert set(stores) == {"", *BINARIES}
    assert stores == [store_of(seed) for seed in seeds]
    monkeypatch.setattr(rounds, "installed", list)
    assert {store_of(seed) for seed in seeds} == {""}


def test_the_command_prints_what_happened(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--minutes", "0", "--round", "2.0", "--size", "1", "--seed", "3", "--only", "revoked"]) == 0
    printed = capsys.readouterr().out

    assert "round 3.1: " in printed
    assert "tokens are revoked" in printed
    assert re.search(r" [1-9]\d* of the calls sent twice", printed)
    assert "0 violations." in printed


def test_a_violation_is_printed_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    stray = [Call(f"call-{number}", 1.0, 1.1, "stray", said="KeyError: 1") for number in range(SHOWN + 2)]
    report = Report(Console(soft_wrap=True))
    report.add(Round("9.4", History(calls=stray), [Span("tokens are revoked", 0.5, 0.5)], 3))

    assert report.close() == 1
    printed = capsys.readouterr().out
    assert "round 9.4: 7 calls, 3 token requests, 1 disturbances, 7 violations" in printed
    assert "call-0 (1.000 to 1.100 s, stray, KeyError: 1) ended in an error that is none of the tree" in printed
    assert "... and 2 more" in printed
    assert "7 violations." in printed
