"""Error responses of the sandbox, and the error for a misspelt name."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from starlette.responses import JSONResponse

from .._util.did_you_mean import nearest
from ..errors import ConfigurationError


def unknown(kind: str, name: str, known: Iterable[str]) -> ConfigurationError:
    """Return the error for an unknown name, with the nearest known one."""
    known = sorted(known)
    near = nearest(name, known)
    return ConfigurationError(
        f"The sandbox has no {kind} {name!r}.",
        remedy=f"Did you mean {near!r}?" if near else f"Choose one of {', '.join(known)}.",
    )


@dataclass(eq=False)
class ApiError(Exception):
    """Error response of the API. Calls raise it.

    Attributes:
        code: one of the API's error codes.
        challenge: the ``error`` of a Bearer challenge (RFC 6750 §3.1); empty for one without; None for no challenge.
        scope: the required scopes (RFC 6750 §3).
    """

    status: int
    code: str
    message: str
    challenge: str | None = None
    scope: str = ""

    def response(self, *, challenges: bool = False) -> JSONResponse:
        """Return the response, with ``WWW-Authenticate`` if the server sends ``challenges``."""
        parts = ['realm="prio"', self.challenge and f'error="{self.challenge}"', self.scope and f'scope="{self.scope}"']
        challenge = {"WWW-Authenticate": f"Bearer {', '.join(filter(None, parts))}"}
        return JSONResponse(self.body(), self.status, challenge if challenges and self.challenge is not None else {})

    def body(self) -> dict[str, object]:
        """Return the error body with a new reference."""
        return {
            "error": self.code,
            "error_reference": secrets.token_hex(8).upper(),
            "error_message": self.message,
            "error_description": f"{self.message} See error_uri, or quote error_reference to support.",
            "error_uri": f"https://docs.example/errors/{self.code.lower()}",
            "errors": [self.message],
        }


bad_request = partial(ApiError, 400, "INVALID_REQUEST")  # Error for a malformed request, with a message.
not_found = partial(ApiError, 404, "NOT_FOUND")  # Error for an unknown object, or one of another account, with a message.
conflict = partial(ApiError, 409)  # Error for a request that the current state does not allow, with a code and a message.

forbidden = partial(ApiError, 403, "AUTHORIZATION_FAILURE")
"""Error for a missing privilege, which a new token does not change, with a message."""
