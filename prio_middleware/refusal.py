"""What a server says when it refuses: read from at most 64 KiB of its answer, and told apart without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .bounded import Undecodable, decode, json_object
from .challenges import bearer_error
from .secret import Secret
from .text import server_code

BODY_LIMIT = 64 * 1024
"""Bytes of a refusal's body that are read, and that it may unfold to, to judge it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as the components see it. Of the server's words it keeps codes: printable, and cut in length.

    Attributes:
        status_code: the HTTP status.
        code: the body's ``error`` member, where the body is JSON and has one.
        challenge: the ``error`` of a ``WWW-Authenticate: Bearer`` challenge (RFC 6750 §3).
        error_reference: the vendor's reference for this failure.
        complete: the whole body was read. A longer one is delivered as it streams and never leads to re-authentication.
    """

    status_code: int
    code: str | None = None
    challenge: str | None = None
    error_reference: str | None = None
    complete: bool = True


def read_refusal(status_code: int, headers: Mapping[str, str], body: bytes | None, secrets: Iterable[Secret] = ()) -> Refusal:
    """Make out what a refusal says.

    Args:
        status_code: the HTTP status.
        headers: the response's headers, looked up without regard to case.
        body: raw, as received, or None where it was longer than ``BODY_LIMIT``. One that unfolds to more counts as longer.
        secrets: what was sent, and the server may have echoed: a code that repeats a part of it is not kept.
    """
    text = Undecodable.TOO_LONG if body is None else decode(body, headers.get("content-encoding"), BODY_LIMIT)
    members = (json_object(text) if isinstance(text, bytes) else None) or {}
    return Refusal(
        status_code,
        code=server_code(members.get("error"), secrets),
        challenge=server_code(bearer_error(headers.get("www-authenticate")), secrets),
        error_reference=server_code(members.get("error_reference"), secrets),
        complete=text is not Undecodable.TOO_LONG,
    )
