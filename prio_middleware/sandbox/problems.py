"""A refusal as the API words it: the error body, and the challenge where one is sent."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.responses import JSONResponse


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a call is refused.

    Attributes:
        status: the HTTP status.
        code: one of the API's error codes.
        message: what happened, for people.
        challenge: the ``error`` of a Bearer challenge (RFC 6750 §3.1); empty for one without; None for no challenge.
        scope: the scopes that would do (RFC 6750 §3).
    """

    status: int
    code: str
    message: str
    challenge: str | None = None
    scope: str = ""

    def response(self, *, challenges: bool = False) -> JSONResponse:
        """The answer, with ``WWW-Authenticate`` where the server sends ``challenges``."""
        headers = {"WWW-Authenticate": self._www_authenticate()} if challenges and self.challenge is not None else {}
        return JSONResponse(self.body(), self.status, headers)

    def body(self) -> dict[str, object]:
        """The error body, with a reference of its own."""
        return {
            "error": self.code,
            "error_reference": secrets.token_hex(8).upper(),
            "error_message": self.message,
            "error_description": f"{self.message} See error_uri, or quote error_reference to support.",
            "error_uri": f"https://docs.example/errors/{self.code.lower()}",
            "errors": [self.message],
        }

    def _www_authenticate(self) -> str:
        parts = [
            'realm="prio"',
            f'error="{self.challenge}"' if self.challenge else "",
            f'scope="{self.scope}"' if self.scope else "",
        ]
        return f"Bearer {', '.join(part for part in parts if part)}"


def bad_request(message: str) -> Problem:
    """The request cannot be understood."""
    return Problem(400, "INVALID_REQUEST", message)


def not_found(message: str) -> Problem:
    """What the request names does not exist, or is not this account's."""
    return Problem(404, "NOT_FOUND", message)


def conflict(code: str, message: str) -> Problem:
    """The request would be right at another time."""
    return Problem(409, code, message)


def forbidden(message: str) -> Problem:
    """The account lacks a privilege: another token would change nothing."""
    return Problem(403, "AUTHORIZATION_FAILURE", message)
