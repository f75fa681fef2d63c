from __future__ import annotations

import types
from typing import Any

import pytest

from prio_middleware.cli.check_probes import CheckFinding, CheckStatus, FirstResponse, first_response
from prio_middleware.sandbox import Sandbox


def answer(library: Any, respond: Any) -> FirstResponse | CheckFinding:
    with library.Client(transport=library.MockTransport(respond)) as client:
        return first_response(client, library, "https://api.example/")


def test_tls_and_date_are_seen(library: types.ModuleType, prio_sandbox: Sandbox) -> None:
    with library.Client(verify=prio_sandbox.ssl_context()) as client:
        seen = first_response(client, library, f"{prio_sandbox.base_url}/system/ping")

    assert isinstance(seen, FirstResponse)
    assert (seen.tls, seen.http) == ("TLSv1.3", "HTTP/1.1")
    assert seen.expires
    assert seen.date
    assert abs(seen.date - seen.local) < 60


NO_DATES: list[str] = ["", "yesterday", "Mon, 99 Nov 2026 18:22:26 GMT", "x" * 100_000]


def test_a_date_that_is_none(library: Any, subtests: pytest.Subtests) -> None:
    for date in NO_DATES:
        with subtests.test(repr(date[:40])):
            seen = answer(library, lambda _, date=date: library.Response(404, headers={"Date": date}))

            assert isinstance(seen, FirstResponse)
            assert seen == FirstResponse(tls=None, http="HTTP/1.1", expires=None, date=None, local=seen.local)


def test_a_date_without_a_zone_is_in_utc(library: Any) -> None:
    seen = answer(library, lambda _: library.Response(200, headers={"Date": "Sun Nov  6 08:49:37 1994"}))

    assert isinstance(seen, FirstResponse)
    assert seen.date == 784111777


def test_no_answer_at_all(library: Any) -> None:
    def refuse(request: Any) -> None:
        raise library.ConnectError("Connection refused", request=request)

    finding = answer(library, refuse)

    assert isinstance(finding, CheckFinding)
    assert (finding.status, finding.summary) == (CheckStatus.FAIL, "No response: ConnectError: no connection.")
    assert finding.remedy
