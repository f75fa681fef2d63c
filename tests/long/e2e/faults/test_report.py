"""Output of ``make faults``; it does not call a failure a success."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from rich.console import Console

from prio_middleware.sandbox import Counts
from tests.long.e2e.faults.__main__ import main
from tests.long.e2e.faults.report import WIDTH, Report
from tests.long.e2e.faults.run_fault import FaultRun
from tests.long.e2e.faults.table import FAULTS

FAULT = next(fault for fault in FAULTS if str(fault) == "token endpoint: html")
AS_EXPECTED = FaultRun("InvalidTokenResponseError", Counts(token_requests=1), "200", Counts(token_requests=1, calls=1))


def test_a_run_of_a_few_faults_prints_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "json_null"]) == 0
    printed = capsys.readouterr().out

    assert "InvalidTokenResponseError" in printed
    assert printed.count("✓") == 6
    assert "6 meetings" in printed


@pytest.mark.parametrize(
    ("doctored", "complaint"),
    [
        ({"ended": "200"}, "ended with 200"),
        ({"during": Counts(token_requests=2)}, "2 requests there and 0 elsewhere, not 1 and 0"),
        ({"during": Counts(token_requests=1, calls=1)}, "1 requests there and 1 elsewhere, not 1 and 0"),
        ({"recovered": "403"}, "then 403"),
        ({"after": Counts(token_requests=2, calls=1)}, "then 2 token requests"),
        ({"after": Counts(token_requests=1, calls=2), "looks_after": 1}, "then 1 looks at metadata"),
        ({"after": Counts(token_requests=1, calls=2)}, "then 2 calls"),
        ({"after": Counts(token_requests=1, calls=1, calls_without_token=1)}, "a call without its token"),
        ({"busy": ["<connection>"]}, "not given back: <connection>"),
        ({"left_open": 2}, "2 descriptors left open"),
    ],
)
def test_what_is_not_as_expected_is_named(capsys: pytest.CaptureFixture[str], doctored: dict[str, Any], complaint: str) -> None:
    run = dataclasses.replace(AS_EXPECTED, **doctored)
    assert AS_EXPECTED.complaints(FAULT) == []
    assert run.complaints(FAULT) == [complaint]

    report = Report(Console(width=WIDTH), ["httpx-sync", "httpx-trio"])
    report.add(FAULT, [AS_EXPECTED, run])
    assert report.close() == 1
    assert complaint in capsys.readouterr().out
