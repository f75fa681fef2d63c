"""Responses of the token endpoint: a token (RFC 6749 §5.1) or an error (§5.2)."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from .._util.redaction import CODE_LIMIT, DESCRIPTION_LIMIT, URL_LIMIT, WITHHELD, safe_url, server_code, server_text
from .._util.retry_after import retry_after
from .._util.safe_body import Undecodable, decode, json_object
from .._util.secret import Secret, Unpicklable
from ..errors import (
    CredentialsRefusedError,
    InvalidTokenResponseError,
    TokenEndpointUnavailableError,
    TokenError,
    TokenRequestRefusedError,
)
from ..telemetry.logs import log
from .access_token import AccessToken, ExpiryPolicy

RESPONSE_LIMIT = 1024 * 1024  # Maximum number of bytes of a response that are read, and to which it may decompress.
TOKEN_LIMIT = 16 * 1024  # Maximum length of an access token, in characters. Servers accept no longer header.
SCOPE_LIMIT = 4 * 1024  # Maximum length of the granted scopes, in characters. Longer ones are not kept.
WORDS_LIMIT = 12  # Maximum number of words that an error repeats of a response that is not an OAuth error.
WORDS_WITHIN = 4 * 1024  # Number of bytes of such a response that are searched for words.

_TEMPORARY = frozenset({408, 425, 429})
_TEMPORARY_CODES = frozenset({"server_error", "temporarily_unavailable"})  # RFC 6749 §4.1.2.1; some send them with a 400

_WRONG_URL = "Check the token URL: the server does not take token requests there."
_BARE_403 = (
    "Check the credentials, and the scopes that the client may request: some servers answer a wrong secret with a bare 403."
)
_OTHER_SENDER = (
    "Find out what answered: a firewall, a gateway or a proxy in front of the token endpoint, or a wrong token URL. If a "
    "firewall requires headers of its own, set token_headers. The credentials may be right."
)
_REMEDIES = {
    401: "Check the scope, audience and grant type that the client may use, and its credentials.",
    403: _BARE_403,
    404: _WRONG_URL,
    405: _WRONG_URL,
    407: "Set the proxy's credentials: the proxy rejected the request.",
    410: _WRONG_URL,
}

# RFC 6750 §2.1 allows fewer characters, but servers use more. None of these ends a header or starts another.
_VISIBLE = re.compile(r"[\x21-\x7e]+")

_SCRIPT = re.compile(r"<(?:script|style)\b", re.IGNORECASE)
_MARKUP = re.compile(r"<[^>]*+>?")
# A word, or a short number. Anything else may be an identifier or a credential.
_WORD = re.compile(r"[\[({'\"]?(?:[A-Za-z]{1,16}(?:['/-][A-Za-z]{1,16})?|[0-9]{1,4})[\])}'\".,:;!?]{0,2}")


Cause = Literal[
    "unknown_host", "name_server", "untrusted_certificate", "tls", "timeout", "connection_refused", "connection", "unexpected"
]
"""Cause of a missing response, for the next attempt and for telemetry."""

_REMEDIES_BY_CAUSE: dict[Cause | None, str] = {
    "unknown_host": "Check the spelling of the host in the token URL (and of the proxy, if there is one), and the name server.",
    "untrusted_certificate": "Set ca_file to the certificates of the server's authority, if it is a private one.",
    "unexpected": "The error comes from the transport, or from a tool that blocks requests in tests: fix it there.",
    "connection_refused": "Check host and port of the token URL, and that the server is running.",
}


class TokenResponse(Unpicklable):
    """Response of the token endpoint, or the failure to get one. Its ``repr`` does not show its body.

    It is no dataclass, so that ``asdict`` cannot reveal the body.

    Attributes:
        status_code: the HTTP status; 0 if no response arrived.
        headers: the response's headers, with case-insensitive lookup.
        body: the raw body, at most ``RESPONSE_LIMIT`` bytes.
        truncated: the body was longer than that.
        failure: description of the failure (``"ConnectError: ..."``), without secrets, if no complete response arrived.
        cause: its cause, if it is one of :data:`Cause`.
    """

    __slots__ = ("body", "cause", "failure", "headers", "status_code", "truncated")

    def __init__(
        self,
        status_code: int = 0,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        truncated: bool = False,
        failure: str | None = None,
        cause: Cause | None = None,
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        self.body = body
        self.truncated = truncated
        self.failure = failure
        self.cause: Cause | None = cause

    @property
    def is_unavailable(self) -> bool:
        """True if there is no complete response, or its status is temporary: a later attempt may succeed."""
        return self.failure is not None or self.status_code in _TEMPORARY or self.status_code >= 500

    def header(self, name: str) -> str | None:
        """Return a header's value, or None."""
        return None if self.headers is None else self.headers.get(name)

    def __repr__(self) -> str:
        return f"<TokenResponse {self.failure or self.status_code}>"


def parse_response(
    response: TokenResponse,
    requested_at: float,
    expiry: ExpiryPolicy,
    secrets: Iterable[Secret] = (),
    *,
    scheme: str | None = None,
    client: str = "default",
) -> AccessToken | TokenError:
    """Return the token or the error in ``response``. The error is not raised, so that no traceback holds the response.

    The token's lifetime begins at ``requested_at``, a moment of ``time.monotonic()`` before the request was sent. ``secrets``
    were sent: an error does not repeat them. ``scheme`` is the setting ``token_scheme``, ``client`` the name in the log.
    """
    content = json_members(response)
    reading = _Reading(response, None if isinstance(content, str) else content, tuple(secrets))
    status = response.status_code
    if response.is_unavailable or reading.code in _TEMPORARY_CODES:
        return reading.unavailable()
    if 300 <= status < 400:
        return reading.redirected()
    if status >= 400 or reading.members.get("error"):
        return reading.error_response()
    if isinstance(content, str):
        return reading.invalid(content)
    return reading.token(requested_at, expiry, scheme, client)


def json_members(response: TokenResponse) -> dict[str, object] | str:
    """Return the members of the response's JSON object, or the reason for which there are none."""
    if response.truncated:
        return "the body is too long"
    body = decode(response.body, response.header("content-encoding"), RESPONSE_LIMIT)
    if isinstance(body, Undecodable):
        return f"the body is {body.value}"
    members = json_object(body)
    return "the body is not a JSON object" if members is None else members


class _Reading:
    """A response with its parsed body, or without ``members`` if that is no JSON object. Its methods return the results."""

    def __init__(self, response: TokenResponse, members: Mapping[str, object] | None, sent: tuple[Secret, ...]) -> None:
        self._is_json = members is not None
        self.members = members or {}
        tokens = (header_value(self.members.get(name)) for name in ("access_token", "refresh_token", "id_token"))
        self._secrets = (*sent, *(token for token in tokens if token))
        self._response = response
        self.code = server_code(self.members.get("error"), self._secrets)

    def token(self, requested_at: float, expiry: ExpiryPolicy, scheme: str | None, client: str) -> AccessToken | TokenError:
        value = _access_token(self.members)
        if isinstance(value, str):
            return self.invalid(value)
        kind = self.members.get("token_type")  # Servers that omit it mean Bearer, in any case (RFC 6749 §5.1).
        is_bearer = kind is None or (isinstance(kind, str) and kind.strip().lower() == "bearer")
        if scheme is None and not is_bearer:
            return self.invalid(
                f"the token_type is {self._words('token_type', CODE_LIMIT) or 'no text'}",
                "If the API accepts such tokens in an Authorization header, set token_scheme to the word before the token, "
                'such as "Bearer". Otherwise configure the server to issue Bearer tokens.',
            )
        lifetime = self._lifetime(expiry, client)
        scope = self._words("scope", SCOPE_LIMIT)  # Other than the server's if it is too long, or echoes a secret.
        return AccessToken(
            value,
            scheme or "Bearer",
            scope=scope if scope == self.members.get("scope") else None,
            expires_at=requested_at + lifetime,
            fresh_until=requested_at + lifetime - expiry.leeway(lifetime),
            lifetime=lifetime,
        )

    def _lifetime(self, expiry: ExpiryPolicy, client: str) -> float:
        """Return the seconds in ``expires_in``, or the default if it cannot be read: the token works all the same."""
        expires_in = self.members.get("expires_in")
        lifetime, problem = expiry.lifetime(expires_in), None
        if lifetime is None:
            lifetime, problem = min(expiry.default_lifetime, expiry.max_lifetime), "cannot be read, and counts as missing"
        elif isinstance(expires_in, str):
            problem = "is a text, which is read as a number"
        if problem:
            message = "Client %r got a token whose expires_in %s: %.0f s."
            log(logging.DEBUG, message, client, problem, lifetime, event="odd_expires_in", client=client)
        return lifetime

    def unavailable(self) -> TokenError:
        response = self._response
        if response.failure is not None:
            failure = server_text(response.failure, self._secrets) or "unknown reason"
            message = f"The token endpoint gave no answer: {failure}."
            error = self._error(TokenEndpointUnavailableError, message, _REMEDIES_BY_CAUSE.get(response.cause))
            return error.copy(cause=response.cause)
        described = f" with {self._described(self._first_words())}" if response.body and self.code is None else ""
        return self._error(
            TokenEndpointUnavailableError,
            f"The token endpoint is unavailable: {self._status_and_error()}{described}.",
            "Try again later: nothing needs a restart.",
            retry_after(response.header("retry-after"), response.header("date")),
        )

    def redirected(self) -> TokenError:
        location = safe_url(self._response.header("location") or "")
        target = server_text(location, self._secrets, URL_LIMIT) or "an unnamed URL"
        return self._error(
            InvalidTokenResponseError,
            f"The token endpoint redirects with {self._response.status_code} to {target}. That is not followed: the "
            "credentials would go there.",
            "If the server belongs there, make that the token URL.",
        )

    def error_response(self) -> TokenError:
        message = f"The token endpoint answered with an error: {self._status_and_error()}."
        if self.code is None:
            message = f"{message} The answer is not an OAuth error: {self._described(self._first_words())}."
        # Other codes may be about this scope or audience only. RFC 6749 §5.2 reserves 401 for the client's credentials.
        if self.code == "invalid_client" or (self._response.status_code == 401 and self.code is None):
            return self._error(CredentialsRefusedError, message)
        remedy = _REMEDIES.get(self._response.status_code)
        is_foreign = remedy == _BARE_403 or (remedy is None and not self._is_json)
        if self.code is None and self._response.body and is_foreign:
            remedy = _OTHER_SENDER
        return self._error(TokenRequestRefusedError, message, remedy)

    def invalid(self, problem: str, remedy: str | None = None) -> TokenError:
        message = f"The token endpoint answered {self._response.status_code} with {self._described()}, and no token: {problem}."
        return self._error(InvalidTokenResponseError, message, remedy)

    def _described(self, words: str | None = None) -> str:
        """Return size and type of the body, and its first words."""
        response = self._response
        size = f"more than {RESPONSE_LIMIT}" if response.truncated else len(response.body)
        kind = (response.header("content-type") or "").partition(";")[0]
        described = f"{size} bytes of {server_text(kind, self._secrets, CODE_LIMIT) or 'an unnamed type'}"
        return f"{described} {words}" if words else described

    def _first_words(self) -> str | None:
        """Return the first words of a page or a text in brackets, up to the first that may be more than a word."""
        kind = (self._response.header("content-type") or "").strip().lower()
        body = decode(self._response.body, self._response.header("content-encoding"), RESPONSE_LIMIT)
        if self._response.truncated or isinstance(body, Undecodable) or not kind.startswith("text/"):
            return None
        text = _MARKUP.sub(" ", _SCRIPT.split(body[:WORDS_WITHIN].decode(errors="replace"))[0])
        words = list(itertools.takewhile(_WORD.fullmatch, text.split()[:WORDS_LIMIT]))
        shown = server_text(" ".join(words), self._secrets)
        return f"('{shown}')" if shown and shown != WITHHELD else shown

    def _status_and_error(self) -> str:
        """Return status, code, description and URI, as far as they exist and may be repeated."""
        description = self._words("error_description") or self._words("error_message")
        parts = (self.code, description and description.rstrip("."), self._words("error_uri"))
        return f"{self._response.status_code} {', '.join(filter(None, parts))}".rstrip()

    def _words(self, name: str, limit: int = DESCRIPTION_LIMIT) -> str | None:
        return server_text(self.members.get(name), self._secrets, limit)

    def _error(self, kind: type[TokenError], message: str, remedy: str | None = None, wait: float | None = None) -> TokenError:
        return kind(
            message,
            remedy=remedy,
            retry_after=wait,
            code=self.code,
            status_code=self._response.status_code or None,
            error_reference=server_code(self.members.get("error_reference"), self._secrets),
        )


def _access_token(members: Mapping[str, object]) -> Secret | str:
    """Return the token, or the reason for which there is none."""
    value = members.get("access_token")
    if not isinstance(value, str) or not value:
        return "there is no access_token"
    if len(value) > TOKEN_LIMIT:
        return f"the access_token has more than {TOKEN_LIMIT} characters"
    return header_value(value) or "the access_token contains characters that are invalid in a header"


def header_value(value: object) -> Secret | None:
    """Return the token, or None if a header cannot hold it. Such a token is not sent, and not searched for in texts."""
    if isinstance(value, str) and len(value) <= TOKEN_LIMIT and _VISIBLE.fullmatch(value):
        return Secret(value)
    return None
