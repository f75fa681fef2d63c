from __future__ import annotations

import ssl
from typing import Any

import httpx
import pytest

from prio_middleware.cli.unanswered import why
from prio_middleware.sandbox import Sandbox


@pytest.mark.parametrize(
    ("error", "problem", "remedy"),
    [
        (
            httpx.ReadTimeout("The read operation timed out"),
            "No answer: ReadTimeout: The read operation timed out.",
            "read_timeout",
        ),
        (httpx.ProxyError("407 Proxy Authentication Required"), "No answer: ProxyError: 407", "proxy"),
        (httpx.ConnectError(""), "No answer: ConnectError.", "Try again"),
        (httpx.InvalidURL("no URL"), "No answer: InvalidURL", "/products"),
    ],
)
def test_what_is_not_about_tls(error: Exception, problem: str, remedy: str) -> None:
    said, to_do = why(error)

    assert said.startswith(problem)
    assert remedy in to_do


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

    said, to_do = why(caught.value)

    assert said == f"No TLS connection: {problem}."
    assert remedy in to_do


def test_a_port_that_speaks_no_tls() -> None:
    with Sandbox(tls=False) as sandbox, pytest.raises(httpx.ConnectError) as caught:
        httpx.get(sandbox.base_url.replace("http:", "https:"))

    assert why(caught.value)[0] == "No TLS connection: wrong version number."


def test_tls_that_fails_without_a_reason() -> None:
    error = httpx.ConnectError("it failed")
    error.__cause__ = ssl.SSLError("EOF occurred")

    said, to_do = why(error)

    assert said.startswith("No TLS connection:")
    assert "which TLS it speaks" in to_do
