from __future__ import annotations

import types
from typing import Any

import httpx
import httpx2
import pytest

from prio_middleware.cli.doctor.greeting import Greeting, greet
from prio_middleware.cli.doctor.steps import Finding, Status
from prio_middleware.sandbox import Sandbox

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


def answer(library: Any, respond: Any) -> Greeting | Finding:
    with library.Client(transport=library.MockTransport(respond)) as client:
        return greet(client, library, "https://api.example/")


@LIBRARIES
def test_tls_and_date_are_seen(library: types.ModuleType, prio_sandbox: Sandbox) -> None:
    with library.Client(verify=prio_sandbox.ssl_context()) as client:
        greeting = greet(client, library, f"{prio_sandbox.base_url}/system/ping")

    assert isinstance(greeting, Greeting)
    assert (greeting.tls, greeting.http) == ("TLSv1.3", "HTTP/1.1")
    assert greeting.expires
    assert greeting.date
    assert abs(greeting.date - greeting.local) < 60


@LIBRARIES
@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 18:22:26 GMT", "x" * 100_000])
def test_a_date_that_is_none(library: Any, date: str) -> None:
    greeting = answer(library, lambda _: library.Response(404, headers={"Date": date}))

    assert isinstance(greeting, Greeting)
    assert greeting == Greeting(tls=None, http="HTTP/1.1", expires=None, date=None, local=greeting.local)


@LIBRARIES
def test_a_date_without_a_zone_is_in_utc(library: Any) -> None:
    greeting = answer(library, lambda _: library.Response(200, headers={"Date": "Sun Nov  6 08:49:37 1994"}))

    assert isinstance(greeting, Greeting)
    assert greeting.date == 784111777


@LIBRARIES
def test_no_answer_at_all(library: Any) -> None:
    def refuse(request: Any) -> None:
        raise library.ConnectError("Connection refused", request=request)

    finding = answer(library, refuse)

    assert isinstance(finding, Finding)
    assert (finding.status, finding.summary) == (Status.FAIL, "No answer: ConnectError: Connection refused.")
    assert finding.remedy
