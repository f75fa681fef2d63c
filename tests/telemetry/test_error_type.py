"""``error.type`` is one of a known few, whatever a server says."""

from __future__ import annotations

from typing import get_args

import httpx
import pytest

from prio_middleware import (
    CredentialsRefusedError,
    DiscoveryError,
    InvalidTokenResponseError,
    PrioError,
    TokenEndpointUnavailableError,
    TokenRequestRefusedError,
    TokenUnchangedError,
)
from prio_middleware.errors import bind
from prio_middleware.oauth.token_response import Cause
from prio_middleware.telemetry.logs import error_type, rejection_type
from prio_middleware.telemetry.names import CANCELLED, FAILURES
from scripts.telemetry_reference import ERROR_TYPES

CAUSES = {
    "unknown_host": "dns_error",
    "name_server": "dns_error",
    "untrusted_certificate": "tls_error",
    "tls": "tls_error",
    "timeout": "timeout",
    "connection_refused": "connection_refused",
    "connection": "connection_error",
    "unexpected": "_OTHER",
    "made up": "_OTHER",
}


class OwnError(PrioError):
    """Of an application."""


def test_error_type(subtests: pytest.Subtests) -> None:
    rows: list[tuple[BaseException | None, str]] = [
        (CredentialsRefusedError("no", code="invalid_client", status_code=401), "invalid_client"),
        (CredentialsRefusedError("no", code="PRIO_4711", status_code=401), "invalid_client"),
        (TokenRequestRefusedError("no", code="invalid_scope", status_code=400), "4xx"),
        (TokenRequestRefusedError("no", code="PRIO_4711", status_code=200), "4xx"),
        (TokenEndpointUnavailableError("no", status_code=429), "429"),
        (TokenEndpointUnavailableError("no", status_code=408), "5xx"),
        (TokenEndpointUnavailableError("no", status_code=503), "5xx"),
        (TokenEndpointUnavailableError("no", code="temporarily_unavailable", status_code=400), "5xx"),
        (bind(TokenEndpointUnavailableError("no"), httpx.TransportError), "timeout"),
        *((TokenEndpointUnavailableError("no").copy(cause=cause), kind) for cause, kind in CAUSES.items()),
        (InvalidTokenResponseError("no", status_code=302), "redirect"),
        (InvalidTokenResponseError("no", status_code=200), "invalid_response"),
        (DiscoveryError("no"), "invalid_response"),
        (TokenUnchangedError("no"), "unchanged_token"),
        (OwnError("no"), "_OTHER"),
        (httpx.ConnectError("no"), "_OTHER"),
        (ValueError("no"), "_OTHER"),
        (None, "cancelled"),
    ]
    for error, kind in rows:
        with subtests.test(repr(error)):
            assert error_type(error) == kind
    assert {kind for _, kind in rows} == {*FAILURES, CANCELLED} == ERROR_TYPES.keys()
    assert set(CAUSES) - {"made up"} == set(get_args(Cause))


def test_refusal_type(subtests: pytest.Subtests) -> None:
    rows: list[tuple[object, object, str]] = [
        ("invalid_token", 401, "invalid_token"),
        ("x", 403, "403"),
        (None, 99, "_OTHER"),
        (7, "200", "_OTHER"),
        (None, None, "_OTHER"),
    ]
    for code, status, kind in rows:
        with subtests.test(f"{code} {status}"):
            assert rejection_type(code, status) == kind
