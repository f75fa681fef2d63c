"""Responses of the API, and failures without a response, as the commands print them."""

from __future__ import annotations

import codecs
import json
import re
import ssl
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from rich.highlighter import JSONHighlighter
from rich.text import Text

from .._util.redaction import URL_LIMIT, server_code, server_text
from .._util.retry_after import retry_after
from .._util.safe_body import decode, json_object
from .._util.secret import Secret
from ..errors import PrioError, ReauthenticationError
from ..middleware.revocation.refusal import BODY_LIMIT
from ..transports.base import REASON
from ..transports.failure_text import failure_text
from .terminal import messages, output, visible, waiting, write

if TYPE_CHECKING:
    from ..settings import ClientSettings

READABLE_LIMIT = 64 * 1024 * 1024  # Maximum size in bytes of a body that is formatted, because it is held in memory.
COLOUR_LIMIT = 1024 * 1024  # Maximum length in characters of a document that is coloured, because that is slow.
_INDENT = "  "
_OPENING, _CLOSING = frozenset("[{"), frozenset("]}")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"{}\[\],:]+|[{}\[\],:]', re.DOTALL)


def write_raw(response: Any) -> bytes:
    """Write a streamed body byte by byte as it arrives; to a terminal, with control characters escaped. Return its start."""
    head = b""
    on_terminal = sys.stdout.isatty()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in response.iter_bytes():
        head = (head + chunk)[:BODY_LIMIT] if len(head) < BODY_LIMIT else head
        if on_terminal:
            write(visible(decoder.decode(chunk)))
        else:
            sys.stdout.buffer.write(chunk)
    if on_terminal:
        write("\n")
    return head


def write_readable(response: Any, *, limit: int = READABLE_LIMIT, secrets: Iterable[Secret] = ()) -> bytes:
    """Write a streamed body for people: JSON indented and coloured, other text unchanged. Return its beginning.

    A media type that repeats one of ``secrets`` is withheld. Raise PrioError if the body is longer than ``limit`` bytes.
    """
    with waiting("reading the response"):
        body = read_limited(response.iter_bytes(), limit)
    if body is None:
        raise PrioError(
            "The response is too long to be formatted.", url=response.url, remedy="Write it to a file, with --json."
        )
    text = _text(body, response.encoding or "utf-8")
    if text is None:
        kind = server_text(response.headers.get("content-type"), secrets) or "an unknown type"
        messages().print(visible(f"{len(body):,} bytes of {kind}. --json prints them unchanged."))
    elif text:
        output().print(_formatted(text))
    return body[:BODY_LIMIT]


def read_limited(chunks: Iterable[bytes], limit: int) -> bytes | None:
    """Return a body of at most ``limit`` bytes, or None if it is longer: it may be endless."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def format_json(document: str) -> str:
    """Return a JSON document with line breaks and indentation. Nothing else changes: no number is rounded, no key dropped."""
    parts: list[str] = []
    depth, before = 0, ""
    for token in _JSON_TOKEN.findall(document):
        depth -= token in _CLOSING
        if before == "," or (before in _OPENING) is not (token in _CLOSING):
            parts.append("\n" + _INDENT * depth)
        parts.append(": " if token == ":" else token)
        depth += token in _OPENING
        before = token
    return "".join(parts)


def _text(body: bytes, charset: str) -> str | None:
    """Return the body as text, or None if it is binary."""
    try:
        text = body.decode("utf-8-sig" if charset.lower() == "utf-8" else charset)
    except (UnicodeError, LookupError):
        return None
    return None if "\0" in text else text


def _formatted(text: str) -> Text:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return Text(visible(text.removesuffix("\n")))
    document = visible(format_json(text))
    return JSONHighlighter()(document) if len(document) <= COLOUR_LIMIT else Text(document)


_MESSAGES = ("error_message", "error_description", "detail", "title")
"""Members with an API's error message: Prio, RFC 6749 §5.2, RFC 9457 §3.1."""


@dataclass(frozen=True, slots=True)
class ApiMessage:
    """Status and error message of a response, limited to what is safe to print.

    ``retry_after`` is in seconds. ``reason`` tells why a response that rejects the token was returned without a retry.
    """

    status_code: int
    code: str | None = None
    message: str | None = None
    error_reference: str | None = None
    retry_after: float | None = None
    location: str | None = None
    reason: ReauthenticationError | None = None

    def __str__(self) -> str:
        try:
            status = f"{self.status_code} {HTTPStatus(self.status_code).phrase}"
        except ValueError:
            status = str(self.status_code)
        parts = [
            self.code or "",
            self.message.rstrip(".") if self.message else "",
            f"error_reference {self.error_reference}" if self.error_reference else "",
            f"retry in {self.retry_after:.0f} s" if self.retry_after is not None else "",
            f"to {self.location}" if self.location else "",
        ]
        return ": ".join(filter(None, [status, ", ".join(filter(None, parts))]))


def read_message(response: Any, body: bytes, secrets: Iterable[Secret] = ()) -> ApiMessage:
    """Return the message of a response, without texts that repeat one of ``secrets``.

    ``body`` is the beginning of the decoded body.
    """
    sent, headers = tuple(secrets), response.headers
    members = json_object(body) or {}
    texts = (server_text(members.get(name), sent) for name in _MESSAGES)
    return ApiMessage(
        response.status_code,
        code=server_code(members.get("error"), sent),
        message=next(filter(None, texts), None),
        error_reference=server_code(members.get("error_reference"), sent),
        retry_after=retry_after(headers.get("retry-after"), headers.get("date")),
        location=server_text(headers.get("location"), sent, URL_LIMIT),
        reason=response.extensions.get(REASON),
    )


def read_short_body(response: Any) -> bytes:
    """Return a streamed body, or nothing if it is longer than an error message."""
    body = read_limited(response.iter_raw(), BODY_LIMIT) or b""
    text = decode(body, response.headers.get("content-encoding"), BODY_LIMIT)
    return text if isinstance(text, bytes) else b""


_TLS_REMEDIES = {
    "unable to get local issuer certificate": "If the authority is your own, or a proxy's, set ca_file to its certificate.",
    "self-signed certificate": "If the certificate is intended, set ca_file to it.",
    "certificate has expired": "Ask the server's operator to renew the certificate. Check this machine's date, too.",
    "certificate is not yet valid": "Check this machine's date.",
    "mismatch": "The certificate is for another name: check the host in the URL of the settings.",
    "wrong version number": "That port does not use TLS: check the port in the URL of the settings.",
}

_TLS_REMEDY = "Ask the server's operator which TLS versions it supports, and check for a proxy that intercepts TLS."

_REMEDIES = {
    "ReadTimeout": "The server is slow: try again, or increase read_timeout.",
    "ProxyError": "The proxy refused: check `proxy` and its credentials, or HTTPS_PROXY.",
    "InvalidURL": "Write a path below the client's base URL, such as /products, or a complete URL.",
    "UnsupportedProtocol": "Write a path below the client's base URL, such as /products, or a complete https:// URL.",
}

_RETRY = "Try again. If it fails again, ask the operator of the server or of the network."
_CHECK = "Run `prio check` to test the connection to the server step by step."


def no_response_error(error: Exception, settings: ClientSettings, url: object) -> PrioError:
    """Return an error to print for the HTTP library's error in a call to ``url``."""
    problem, remedy = explain(error, otherwise=_CHECK)
    return PrioError(problem, client=settings.name, url=url, remedy=remedy)


def explain(error: Exception, otherwise: str = _RETRY) -> tuple[str, str]:
    """Return the reason for a missing response, and its remedy: ``otherwise`` if there is no specific one."""
    tls = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if tls is None:
        return f"No response: {failure_text(error)}.", _REMEDIES.get(type(error).__name__, otherwise)
    reason = str(getattr(tls, "reason", None) or tls).replace("_", " ").lower()
    problem = str(getattr(tls, "verify_message", None) or reason).rstrip(".")
    remedy = next((remedy for words, remedy in _TLS_REMEDIES.items() if words in problem), _TLS_REMEDY)
    return f"No TLS connection: {problem}.", remedy


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__ or error.__context__
