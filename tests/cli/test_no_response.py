from __future__ import annotations

import ssl
from typing import Any

import httpx
import pytest

from prio_middleware.cli.response import explain
from prio_middleware.sandbox import Sandbox

ERRORS: list[tuple[Exception, str, str]] = [
    (
        httpx.ReadTimeout("The read operation timed out"),
        "No response: ReadTimeout: nothing more came from the server in time.",
        "read_timeout",
    ),
    (httpx.ProxyError("407 Proxy Authentication Required"), "No response: ProxyError: the proxy answered 407.", "proxy"),
    (httpx.ConnectError(""), "No response: ConnectError: no connection.", "Try again"),
    (httpx.InvalidURL("no URL"), "No response: InvalidURL: the URL is not valid.", "/products"),
]


def test_what_is_not_about_tls(subtests: pytest.Subtests) -> None:
    for error, problem, remedy in ERRORS:
        with subtests.test(problem):
            problem_found, remedy_found = explain(error)

            assert problem_found.startswith(problem)
            assert remedy in remedy_found


@pytest.mark.parametrize(
    ("certificate", "problem", "remedy"),
    [
        ("expired", "certificate has expired", "renew"),
        ("foreign", "unable to get local issuer certificate", "ca_file"),
        ("wrong_host", "IP address mismatch, certificate is not valid for '127.0.0.1'", "another name"),
    ],
)
def test_a_certificate_that_is_not_good(certificate: Any, problem: str, remedy: str) -> None:
    with Sandbox(certificate=certificate) as sandbox, pytest.raises(httpx.ConnectError) as caught:
        httpx.get(sandbox.base_url, verify=sandbox.ssl_context())

    problem_found, remedy_found = explain(caught.value)

    assert problem_found == f"No TLS connection: {problem}."
    assert remedy in remedy_found


def test_a_port_that_speaks_no_tls() -> None:
    with Sandbox(tls=False) as sandbox, pytest.raises(httpx.ConnectError) as caught:
        httpx.get(sandbox.base_url.replace("http:", "https:"))

    assert explain(caught.value)[0] == "No TLS connection: wrong version number."


def test_tls_that_fails_without_a_reason() -> None:
    error = httpx.ConnectError("it failed")
    error.__cause__ = ssl.SSLError("EOF occurred")

    problem_found, remedy_found = explain(error)

    assert problem_found.startswith("No TLS connection:")
    assert "which TLS versions" in remedy_found
