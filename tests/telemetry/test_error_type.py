"""``error.type`` is one of a known few, whatever a server says."""

from __future__ import annotations

import httpx
import pytest

from prio_middleware import CredentialsRefusedError, PrioError, TokenEndpointUnavailableError
from prio_middleware.errors import bind
from prio_middleware.telemetry.error_type import error_type, refusal_type


class OwnError(PrioError):
    """Of an application."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (CredentialsRefusedError("no", code="invalid_client", status_code=401), "invalid_client"),
        (CredentialsRefusedError("no", code="PRIO_4711", status_code=401), "401"),
        (CredentialsRefusedError("no", code="PRIO_4711"), "CredentialsRefusedError"),
        (bind(TokenEndpointUnavailableError("no"), httpx.TransportError), "TokenEndpointUnavailableError"),
        (OwnError("no"), "_OTHER"),
        (httpx.ConnectError("no"), "_OTHER"),
        (ValueError("no"), "_OTHER"),
        (None, "CancelledError"),
    ],
)
def test_error_type(error: BaseException | None, kind: str) -> None:
    assert error_type(error) == kind


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("invalid_token", 401, "invalid_token"),
        ("x", 403, "403"),
        (None, 99, "_OTHER"),
        (7, "200", "_OTHER"),
        (None, None, "_OTHER"),
    ],
)
def test_refusal_type(code: object, status: object, kind: str) -> None:
    assert refusal_type(code, status) == kind
