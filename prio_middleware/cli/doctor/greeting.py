"""The first answer of a server, asked for without a token: what its TLS and its clock look like."""

from __future__ import annotations

import datetime
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from ..unanswered import why
from .steps import Finding, Status


@dataclass(frozen=True, slots=True)
class Greeting:
    """What was seen of a server's first answer.

    Attributes:
        tls: the version of TLS; None for plain HTTP.
        http: the version of HTTP.
        expires: when the certificate expires, as a Unix time.
        date: what the server's clock said, as a Unix time.
        local: what this machine's clock said then, as a Unix time.
    """

    tls: str | None
    http: str
    expires: float | None
    date: float | None
    local: float


def greet(client: Any, library: Any, url: str) -> Greeting | Finding:
    """Ask ``url`` for anything, or say why there is no answer.

    Args:
        client: of ``library``, without a token.
        library: ``httpx`` or ``httpx2``.
        url: of the server.
    """
    asked = time.time()
    try:
        # An answer from a cache has an old date.
        with client.stream("GET", url, headers={"Cache-Control": "no-cache"}) as response:
            return _greeting(response, (asked + time.time()) / 2)
    except library.HTTPError as error:
        return Finding(Status.FAIL, *why(error))


def _greeting(response: Any, local: float) -> Greeting:
    stream = response.extensions.get("network_stream")
    tls = stream and stream.get_extra_info("ssl_object")
    certificate = (tls and tls.getpeercert()) or {}
    return Greeting(
        tls=tls and tls.version(),
        http=response.http_version,
        expires=ssl.cert_time_to_seconds(certificate["notAfter"]) if certificate else None,
        date=_timestamp(response.headers.get("date", "")),
        local=local,
    )


def _timestamp(text: str) -> float | None:
    """An HTTP date (RFC 9110 §5.6.7) as a Unix time. It is always in UTC."""
    try:
        return parsedate_to_datetime(text[:40]).replace(tzinfo=datetime.UTC).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
