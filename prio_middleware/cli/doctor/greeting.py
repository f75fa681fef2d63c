"""The first answer of a server, asked for without a token: what its TLS and its clock look like."""

from __future__ import annotations

import datetime
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from ...transports.shell import describe
from .steps import Finding, Status

_REMEDIES = {
    "unable to get local issuer certificate": "Set ca_file to the authority's certificate, if it is one of your own or a proxy's.",
    "self-signed certificate": "Set ca_file to the server's certificate, if that is meant to be so.",
    "certificate has expired": "The server's operator has to renew the certificate; check this machine's date, too.",
    "certificate is not yet valid": "Check this machine's date.",
    "mismatch": "The certificate is for another name: check the host in the URL of the settings.",
    "wrong version number": "That port does not speak TLS: check the port in the URL of the settings.",
}
_REMEDY = "Check with the server's operator which TLS it speaks, and whether something in between changes it."


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
        problem, remedy = why(error)
    return Finding(Status.FAIL, problem, remedy)


def why(error: BaseException) -> tuple[str, str]:
    """Why there was no answer, and what to do about it."""
    cause: BaseException | None = error
    while cause and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return f"No answer: {describe(error)}.", "Check the URL and the proxy in the settings, and try again."
    problem = getattr(cause, "verify_message", None) or (cause.reason or "").replace("_", " ").lower() or str(cause)
    remedy = next((remedy for words, remedy in _REMEDIES.items() if words in problem), _REMEDY)
    return f"No TLS connection: {problem.rstrip('.')}.", remedy


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
