"""A server's answer written down as bytes: a status, headers, an empty line, the body."""

from __future__ import annotations

import httpx

from prio_middleware.oauth.token_response import TokenResponse


def message(data: bytes) -> TokenResponse:
    """The answer. Any bytes are one; three digits at the start are its status, or it is 200."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    # As bytes, so that the library decodes them as it does what comes from a server.
    pairs = [(name, value.strip()) for name, colon, value in (entry.partition(b":") for entry in lines) if colon]
    return TokenResponse(status(first), httpx.Headers(pairs), body, truncated=first.endswith(b" truncated"))


def status(line: bytes) -> int:
    """100 to 999."""
    digits = line[:3]
    return int(digits) if len(digits) == 3 and digits.isdigit() and digits[:1] != b"0" else 200
