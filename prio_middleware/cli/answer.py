"""What an API's answer says beside its data: status, error code, message and reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ..bounded import decode, json_object
from ..errors import ReauthenticationError
from ..refusal import BODY_LIMIT
from ..retry_after import retry_after
from ..secret import Secret
from ..text import URL_LIMIT, server_code, server_text
from ..transports.shell import REASON

_MESSAGES = ("error_message", "error_description", "detail", "title")
"""Where APIs put their message: Prio, RFC 6749 §5.2, RFC 9457 §3.1."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer says, as far as it may be repeated.

    Attributes:
        status_code: the HTTP status.
        code: the error code.
        message: the message, for people.
        error_reference: what the API's support asks for.
        retry_after: seconds after which to try again.
        location: where a redirect leads.
        reason: why a refusal of the token was handed on instead of being mended.
    """

    status_code: int
    code: str | None = None
    message: str | None = None
    error_reference: str | None = None
    retry_after: float | None = None
    location: str | None = None
    reason: ReauthenticationError | None = None

    def named(self) -> dict[str, object]:
        """All that is known but the status, by name."""
        return {
            "code": self.code,
            "message": self.message,
            "error_reference": self.error_reference,
            "retry_after": self.retry_after,
            "location": self.location,
            "reason": self.reason and self.reason.message,
        }

    def __str__(self) -> str:
        parts = [
            self.code or "",
            self.message.rstrip(".") if self.message else "",
            f"error_reference {self.error_reference}" if self.error_reference else "",
            f"try again in {self.retry_after:.0f} s" if self.retry_after is not None else "",
            f"to {self.location}" if self.location else "",
        ]
        said = ", ".join(filter(None, parts))
        return f"{self.status_code} {_phrase(self.status_code)}".rstrip() + (f": {said}" if said else "")


def listen(response: Any, body: bytes, secrets: Iterable[Secret] = ()) -> Said:
    """What a response says.

    Args:
        response: of either library.
        body: the beginning of its body, without content encodings.
        secrets: what was sent, and must not be repeated if the server echoes it.
    """
    sent, headers = tuple(secrets), response.headers
    members = json_object(body) or {}
    said = (server_text(members.get(name), sent) for name in _MESSAGES)
    return Said(
        response.status_code,
        code=server_code(members.get("error"), sent),
        message=next(filter(None, said), None),
        error_reference=server_code(members.get("error_reference"), sent),
        retry_after=retry_after(headers.get("retry-after"), headers.get("date")),
        location=server_text(headers.get("location"), sent, URL_LIMIT),
        reason=response.extensions.get(REASON),
    )


def beginning(response: Any) -> bytes:
    """What a streamed response's body says, if that is not long: whoever refuses may go on talking for ever."""
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > BODY_LIMIT:
            return b""
    text = decode(body, response.headers.get("content-encoding"), BODY_LIMIT)
    return text if isinstance(text, bytes) else b""


def _phrase(status_code: int) -> str:
    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return ""
