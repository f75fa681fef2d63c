"""Refusals, parsed from headers and at most 64 KiB of body, without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..._util.redaction import server_code
from ..._util.safe_body import Undecodable, decode, json_object
from ..._util.secret import Secret
from ..._util.www_authenticate import bearer_error, schemes

BODY_LIMIT = 64 * 1024  # Maximum bytes of a refusal's body that are read, and that it may decompress to.
LOOK_AHEAD = 1.0  # Seconds after which no more of its body is read.

# Error codes of a Bearer challenge that decide without the body if a new token may help (RFC 6750 §3.1).
DECISIVE = frozenset({"invalid_token", "insufficient_scope"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Parsed refusal. Codes are printable and limited in length.

    Attributes:
        status_code: the HTTP status.
        code: the ``error`` member of a JSON body.
        challenge: the ``error`` of a ``WWW-Authenticate: Bearer`` challenge (RFC 6750 §3).
        error_reference: the ``error_reference`` member of the body, by which the vendor finds this failure.
        complete: True if the whole body was read. Otherwise the body streams to the caller, and only the header can lead to
            re-authentication.
        schemes: the schemes in ``WWW-Authenticate``, in lower case (RFC 9110 §11.6.1).
    """

    status_code: int
    code: str | None = None
    challenge: str | None = None
    error_reference: str | None = None
    complete: bool = True
    schemes: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def decided(self) -> bool:
        """True if the header alone decides whether a new token may help."""
        return (self.challenge or "").lower() in DECISIVE

    @property
    def is_conclusive(self) -> bool:
        """True if enough was read to judge the refusal."""
        return self.complete or self.decided


def parse_refusal(status_code: int, headers: Mapping[str, str], body: bytes | None, secrets: Iterable[Secret] = ()) -> Refusal:
    """Return the parsed refusal.

    ``body`` is the raw body, or None if it was not read to its end. A body that decompresses to more than ``BODY_LIMIT`` counts
    as None. A code that repeats a part of one of ``secrets``, which were sent, is left out.
    """
    text = Undecodable.TOO_LONG if body is None else decode(body, headers.get("content-encoding"), BODY_LIMIT)
    members = (json_object(text) if isinstance(text, bytes) else None) or {}
    return Refusal(
        status_code,
        code=server_code(members.get("error"), secrets),
        challenge=server_code(bearer_error(headers.get("www-authenticate")), secrets),
        error_reference=server_code(members.get("error_reference"), secrets),
        complete=text is not Undecodable.TOO_LONG,
        schemes=schemes(headers.get("www-authenticate")),
    )
