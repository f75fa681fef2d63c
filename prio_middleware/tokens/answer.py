"""What the token endpoint's answer means: a token (RFC 6749 §5.1), or which error (§5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

from ..bounded import Undecodable, decode, json_object
from ..errors import (
    CredentialsRefusedError,
    InvalidTokenResponseError,
    TokenEndpointUnavailableError,
    TokenError,
    TokenRequestRefusedError,
)
from ..retry_after import retry_after
from ..secret import Secret
from ..text import CODE_LIMIT, DESCRIPTION_LIMIT, URL_LIMIT, safe_url, server_code, server_text
from .expiry import ExpiryPolicy
from .token import AccessToken

ANSWER_LIMIT = 1024 * 1024
"""Bytes of an answer that are read, and that it may unfold to."""

TOKEN_LIMIT = 16 * 1024
"""Characters of an access token. Servers take no longer header."""

SCOPE_LIMIT = 4 * 1024
"""Characters of the granted scopes that are kept at most."""

_BUSY = frozenset({408, 425, 429})
_BUSY_CODES = frozenset({"server_error", "temporarily_unavailable"})  # RFC 6749 §4.1.2.1; some send them with a 400
_CREDENTIAL_CODES = frozenset({"invalid_client", "unauthorized_client"})
_REQUEST_CODES = frozenset({"invalid_request", "invalid_grant", "invalid_scope", "invalid_target", "unsupported_grant_type"})

_WRONG_URL = "Check the token URL: this is not where the server takes token requests."
_REMEDIES = {
    403: "Check the credentials, and the scopes that the client may ask for: some servers say a bare 403 to a wrong secret.",
    404: _WRONG_URL,
    405: _WRONG_URL,
    407: "Set the proxy's credentials: it was the proxy that refused.",
    410: _WRONG_URL,
}

_VISIBLE = re.compile(r"[\x21-\x7e]+")


class TokenAnswer:
    """What came back, or why nothing did. It prints itself without its body, and cannot be pickled or dumped as a dataclass.

    Attributes:
        status_code: the HTTP status; 0 where no answer arrived.
        headers: the answer's headers, looked up without regard to case.
        body: the raw body, as received, of at most ``ANSWER_LIMIT`` bytes.
        truncated: the body was longer than that.
        failure: what went wrong on the way (``"ConnectError: ..."``), where no whole answer arrived; text of our own or of the
            HTTP library, without secrets.

    Raises:
        TypeError: on pickling.
    """

    __slots__ = ("body", "failure", "headers", "status_code", "truncated")

    def __init__(
        self,
        status_code: int = 0,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        truncated: bool = False,
        failure: str | None = None,
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        self.body = body
        self.truncated = truncated
        self.failure = failure

    @property
    def is_unavailable(self) -> bool:
        """Nothing arrived, or what says that the server cannot answer now: worth another try later."""
        return self.failure is not None or self.status_code in _BUSY or self.status_code >= 500

    def header(self, name: str) -> str | None:
        """A header's value, where there is one."""
        return None if self.headers is None else self.headers.get(name)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("The token endpoint's answer cannot be pickled: the pickle would hold a token in the clear.")

    def __repr__(self) -> str:
        return f"<TokenAnswer {self.failure or self.status_code}>"


def read_answer(
    answer: TokenAnswer, asked_at: float, expiry: ExpiryPolicy, secrets: Iterable[Secret] = ()
) -> AccessToken | TokenError:
    """The token in ``answer``, or the error that it amounts to: returned, so that no traceback keeps a frame of this module.

    Args:
        answer: what came back, or why nothing did.
        asked_at: the moment of ``time.monotonic()`` before the request left, from which the token's life counts.
        expiry: what to make of ``expires_in``.
        secrets: what was sent, and must not be repeated if the server echoes it.
    """
    content = json_members(answer)
    reading = _Reading(answer, content if isinstance(content, dict) else {}, tuple(secrets))
    status = answer.status_code
    if answer.is_unavailable or reading.code in _BUSY_CODES:
        return reading.unavailable()
    if 300 <= status < 400:
        return reading.redirected()
    if status >= 400 or reading.members.get("error"):
        return reading.refused()
    if isinstance(content, str):
        return reading.invalid(content)
    return reading.token(asked_at, expiry)


def json_members(answer: TokenAnswer) -> dict[str, object] | str:
    """The members of the answer's JSON object, or why there are none."""
    if answer.truncated:
        return "the body is too long"
    body = decode(answer.body, answer.header("content-encoding"), ANSWER_LIMIT)
    if isinstance(body, Undecodable):
        return f"the body is {body.value}"
    members = json_object(body)
    return "the body is not a JSON object" if members is None else members


class _Reading:
    """An answer whose body was looked into, and what may be made of it."""

    def __init__(self, answer: TokenAnswer, members: Mapping[str, object], sent: tuple[Secret, ...]) -> None:
        tokens = (members.get(name) for name in ("access_token", "refresh_token", "id_token"))
        self._secrets = (*sent, *(Secret(token) for token in tokens if isinstance(token, str)))
        self._answer = answer
        self.members = members
        self.code = server_code(members.get("error"), self._secrets)

    def token(self, asked_at: float, expiry: ExpiryPolicy) -> AccessToken | TokenError:
        value = _access_token(self.members)
        if isinstance(value, str):
            return self.invalid(value)
        if not _is_bearer(self.members.get("token_type")):
            kind = self._words("token_type", CODE_LIMIT) or "no text"
            return self.invalid(f"the token_type is {kind}", "Have the server issue Bearer tokens: no others are known here.")
        lifetime = expiry.lifetime(self.members.get("expires_in"))
        if lifetime is None:
            return self.invalid("expires_in is not a number of seconds")
        return AccessToken(
            value,
            scope=self._scope(),
            expires_at=asked_at + lifetime,
            fresh_until=asked_at + lifetime - expiry.leeway(lifetime),
            lifetime=lifetime,
        )

    def unavailable(self) -> TokenError:
        answer, error = self._answer, TokenEndpointUnavailableError
        if answer.failure is not None:
            failure = server_text(answer.failure, self._secrets) or "nobody said why"
            return self._error(error, f"The token endpoint gave no answer: {failure}.")
        return self._error(
            error,
            f"The token endpoint cannot answer now: {self._said()}.",
            "Try again later: nothing needs a restart.",
            retry_after(answer.header("retry-after"), answer.header("date")),
        )

    def redirected(self) -> TokenError:
        location = safe_url(self._answer.header("location") or "")
        target = server_text(location, self._secrets, URL_LIMIT) or "an unnamed place"
        return self._error(
            InvalidTokenResponseError,
            f"The token endpoint redirects with {self._answer.status_code} to {target}. That is not followed: the credentials "
            "would go there.",
            "If the server belongs there, make that the token URL.",
        )

    def refused(self) -> TokenError:
        message = f"The token endpoint refused the request: {self._said()}."
        if self._is_about_credentials():
            return self._error(CredentialsRefusedError, message)
        return self._error(TokenRequestRefusedError, message, _REMEDIES.get(self._answer.status_code))

    def invalid(self, problem: str, remedy: str | None = None) -> TokenError:
        answer = self._answer
        size = f"more than {ANSWER_LIMIT}" if answer.truncated else len(answer.body)
        kind = (answer.header("content-type") or "").partition(";")[0]
        described = f"{size} bytes of {server_text(kind, self._secrets, CODE_LIMIT) or 'an unnamed type'}"
        message = f"The token endpoint answered {answer.status_code} with {described}, and no token: {problem}."
        return self._error(InvalidTokenResponseError, message, remedy)

    def _is_about_credentials(self) -> bool:
        # A 401 without a code, or with one of the vendor's own: RFC 6749 §5.2 keeps the status for the client's credentials.
        bare = self._answer.status_code == 401 and self.code not in _REQUEST_CODES
        return self.code in _CREDENTIAL_CODES or bare

    def _scope(self) -> str | None:
        """What was granted, where it is what RFC 6749 §3.3 calls a scope."""
        scope = self._words("scope", SCOPE_LIMIT)
        return scope if scope == self.members.get("scope") else None

    def _said(self) -> str:
        """Status, code, description and URI, as far as they are there and may be repeated."""
        description = self._words("error_description") or self._words("error_message")
        said = filter(None, [self.code, description and description.rstrip("."), self._words("error_uri")])
        return f"{self._answer.status_code} {', '.join(said)}".rstrip()

    def _words(self, name: str, limit: int = DESCRIPTION_LIMIT) -> str | None:
        return server_text(self.members.get(name), self._secrets, limit)

    def _error(self, kind: type[TokenError], message: str, remedy: str | None = None, wait: float | None = None) -> TokenError:
        return kind(
            message,
            remedy=remedy,
            retry_after=wait,
            code=self.code,
            status_code=self._answer.status_code or None,
            error_reference=server_code(self.members.get("error_reference"), self._secrets),
        )


def _access_token(members: Mapping[str, object]) -> Secret | str:
    """The token, or why it is none."""
    value = members.get("access_token")
    if not isinstance(value, str) or not value:
        return "there is no access_token"
    if len(value) > TOKEN_LIMIT:
        return f"the access_token has more than {TOKEN_LIMIT} characters"
    # RFC 6750 §2.1 allows fewer, but servers use more; what counts is that none ends a header or starts another.
    return Secret(value) if _VISIBLE.fullmatch(value) else "the access_token has characters that no header may hold"


def _is_bearer(token_type: object) -> bool:
    """RFC 6749 §5.1: it is compared without regard to case. Where a server leaves it out, Bearer is what it means."""
    return token_type is None or (isinstance(token_type, str) and token_type.lower() == "bearer")
