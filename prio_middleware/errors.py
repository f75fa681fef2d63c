"""Error classes of the package, in one tree.

::

    PrioError
    ├── ConfigurationError                 wrong settings, pipeline or request options
    ├── PolicyError                        the request was blocked here and not sent
    │   ├── InsecureTransportError         plain HTTP
    │   ├── UnsupportedProtocolError       neither HTTP nor HTTPS; the library's UnsupportedProtocol too
    │   ├── ForeignOriginError             an origin that is not allowed, if those are blocked
    │   ├── CallerAuthorizationError       the caller's own Authorization header, if that is blocked
    │   └── BudgetExceededError            the request would exceed a rate limit of the server
    ├── TokenError                         no token could be fetched; the request was not sent
    │   ├── TokenEndpointUnavailableError  no connection, a timeout, 429 or 5xx: retry later
    │   ├── TokenRequestRefusedError       the token endpoint answered with an error (RFC 6749 §5.2)
    │   │   └── CredentialsRefusedError    ... because of the client's credentials
    │   ├── InvalidTokenResponseError      the server's answer is not a token response
    │   ├── UnknownAccountError            the client has no account of that name
    │   ├── ClientClosedError              the client was closed while the call waited for a token
    │   └── DiscoveryError                 the server's metadata name no usable token endpoint
    └── ReauthenticationError              reason for a returned refusal: in response.extensions, never raised
        ├── BodyNotReplayableError         the request's body cannot be sent again
        ├── NewTokenUnavailableError       no new token could be fetched
        │   └── TokenUnchangedError        ... but the rejected one again; the token provider raises it as a TokenError
        └── RetryBlockedError              a new token was fetched, but the retry was blocked here

An error that a client raises is also its HTTP library's ``TransportError``: ``except httpx.HTTPError`` catches it.
No error, and no object reachable from one, holds a secret, a token or a raw body.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, cast

from ._util.redaction import safe_url


class PrioError(Exception):
    """Base class of all errors. Attributes other than message and remedy are None if unknown.

    Attributes:
        message: description of the failure.
        client: the configured name of the client.
        url: the URL, without user info, query and fragment.
        remedy: advice on how to fix it.
        retry_after: seconds after which to retry.
        code: the server's error code (RFC 6749 §5.2).
        status_code: the HTTP status of the response that led to the error.
        error_reference: the vendor's reference for this failure. Quote it to the vendor's support.
    """

    default_remedy: ClassVar[str] = "Please report this: an error without a remedy is a defect."

    library_error: ClassVar[str] = "TransportError"
    """Class of the HTTP library that the error is also an instance of, if a client raises it."""

    def __init__(
        self,
        message: str,
        *,
        client: str | None = None,
        url: object = None,
        remedy: str | None = None,
        retry_after: float | None = None,
        code: str | None = None,
        status_code: int | None = None,
        error_reference: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.client = client
        self.url = None if url is None else safe_url(url)
        self.remedy = remedy or self.default_remedy
        self.retry_after = retry_after
        self.code = code
        self.status_code = status_code
        self.error_reference = error_reference

    def __str__(self) -> str:
        about = [
            f"client {self.client!r}" if self.client else "",
            self.url or "",
            f"error_reference {self.error_reference}" if self.error_reference else "",
            f"try again in {self.retry_after:.1f} s" if self.retry_after is not None else "",
        ]
        known = ", ".join(part for part in about if part)
        return f"{self.message}{f' ({known})' if known else ''} {self.remedy}"

    def copy(self, **changes: Any) -> Self:
        """Return a copy with ``changes`` to its attributes, so that each caller raises an object of its own."""
        twin = type(self).__new__(type(self), *self.args)
        twin.__dict__.update(self.__dict__, **changes)
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (*_origin(type(self)), self.args), dict(self.__dict__)


class ConfigurationError(PrioError):
    """Incomplete, contradictory or misspelt settings, pipeline or request options."""

    default_remedy = "Correct the configuration and start again."


class PolicyError(PrioError):
    """The request was blocked here and not sent.

    Mostly before a token was fetched; see :class:`BudgetExceededError` for the exception.

    Attributes:
        reason: the value of the attribute ``reason`` in the metric of blocked requests.
    """

    reason: ClassVar[str] = "policy"


class InsecureTransportError(PolicyError):
    """The URL is plain HTTP, so a token or secret would be sent unencrypted (RFC 6750 §5.3)."""

    reason = "plain_http"
    default_remedy = "Use https://. For a test server on this machine, name its loopback host in the settings."


class UnsupportedProtocolError(PolicyError):
    """The URL has no scheme, or one that is neither HTTP nor HTTPS. Also the HTTP library's ``UnsupportedProtocol``."""

    reason = "unsupported_protocol"
    library_error = "UnsupportedProtocol"
    default_remedy = "Write a complete https:// URL, or a path below the client's base URL."


class ForeignOriginError(PolicyError):
    """The URL is at an origin that is not allowed, and ``foreign_origins`` is ``"refuse"``."""

    reason = "foreign_origin"
    default_remedy = "Add the origin to allowed_origins if it may get the token; else use another client for it."


class CallerAuthorizationError(PolicyError):
    """The request has an ``Authorization`` header of its own, and ``caller_authorization`` is ``"refuse"``."""

    reason = "caller_authorization"
    default_remedy = (
        'Remove the header, or set caller_authorization = "replace": the token then takes the place of an SDK\'s placeholder.'
    )


class BudgetExceededError(PolicyError):
    """The request could exceed a rate limit of the server, and the budget guard enforces that limit.

    ``retry_after`` is the time until a request may be within the limit again. If other calls reach the limit while this one
    waits for a token, the token is fetched, but the call is not sent.
    """

    reason = "budget"
    default_remedy = "Wait retry_after seconds. Find the calls that get 4xx responses and fix them: each one counts."


class TokenError(PrioError):
    """No token could be fetched, so the request was not sent.

    Attributes:
        cooling_down: True if no token was requested, because of the cool-down after a permanent failure.
    """

    cooling_down = False


class TokenEndpointUnavailableError(TokenError):
    """The token endpoint did not answer before the deadline, or answered 429 or 5xx.

    Attributes:
        cause: the cause if there was no answer: ``"unknown_host"``, ``"name_server"`` (it did not answer),
            ``"untrusted_certificate"``, ``"tls"``, ``"timeout"``, ``"connection_refused"``, ``"connection"``, or
            ``"unexpected"`` for an error that is neither the HTTP library's nor the operating system's. An unknown host, an
            untrusted certificate and an unexpected error are not retried.
    """

    cause: str | None = None

    default_remedy = "Check that this machine can reach the token endpoint, then retry. No restart is needed."


class TokenRequestRefusedError(TokenError):
    """The token endpoint answered with an error of RFC 6749 §5.2, or with another 4xx."""

    default_remedy = "Compare scope, grant type and body format with the server's documentation."


class CredentialsRefusedError(TokenRequestRefusedError):
    """The token endpoint rejects the client's credentials: ``invalid_client``, or 401 without a code."""

    default_remedy = "Check client id, secret and client authentication method. Ask the vendor if they were revoked."


class InvalidTokenResponseError(TokenError):
    """The token endpoint's answer is not a token response of RFC 6749 §5.1."""

    default_remedy = "Check the token URL: it may not be that of a token endpoint."


class UnknownAccountError(TokenError):
    """The call names an account that the client does not have. No request was sent."""

    default_remedy = "Check the name, and that the account's client is configured for the same server."


class ClientClosedError(TokenError):
    """The client was closed while the call waited for a token."""

    default_remedy = "Close a client only after its last call has ended."


class DiscoveryError(TokenError):
    """The authorization server's metadata (RFC 8414) are missing, from another server, or name no usable token endpoint."""

    default_remedy = "Set issuer exactly as the server spells it, or set token_url instead of discovery."


class ReauthenticationError(PrioError):
    """Reason why a response that rejected the token was returned to the caller without a successful retry.

    It is in ``response.extensions["prio_middleware.reason"]``, and never raised.

    Attributes:
        outcome: the value of the attribute ``outcome`` in the metric of re-authentications.
    """

    outcome: ClassVar[str] = "failed"


class BodyNotReplayableError(ReauthenticationError):
    """The rejected token was dropped, but the request's body is a stream that cannot be sent again."""

    outcome = "body_not_replayable"
    default_remedy = "Send the request again: it gets a new token. Bodies given as bytes, JSON or form data are resent."


class NewTokenUnavailableError(ReauthenticationError):
    """The rejected token was dropped, but no new one could be fetched."""

    outcome = "token_unavailable"
    default_remedy = "Fix the failure of the token endpoint in the message first."


class TokenUnchangedError(NewTokenUnavailableError, TokenError):
    """The token endpoint returned the very token that the API had rejected, so a retry would be rejected, too.

    New calls are sent once with that token. A new one is requested every 10 s (``UNCHANGED_PAUSE``) until the endpoint returns
    another, or the API accepts this one.
    """

    outcome = "unchanged"
    default_remedy = (
        "The authorization server, or a cache before it, returns its token until that expires. If it knows a parameter that "
        'forces a new token, set it: renewal_params = { force = "true" }.'
    )


class RetryBlockedError(ReauthenticationError):
    """The rejected token was replaced, but the retry was blocked here, by the budget guard for example."""

    outcome = "budget"
    default_remedy = "Send the request again when the reason in the message no longer applies: it gets the new token."


def bind(error: PrioError, base: type[Exception]) -> PrioError:
    """Return a copy of ``error`` that is also an instance of ``base``, so that ``except httpx.HTTPError`` catches it."""
    if isinstance(error, base):
        return error.copy()
    bound = _rebuild(_origin(type(error))[0], base, error.args)
    base.__init__(bound, *error.args)
    bound.__dict__.update(error.__dict__)
    return bound


def _origin(cls: type[PrioError]) -> tuple[type[PrioError], type[Exception] | None]:
    """Return the class of the tree and the HTTP library's class that ``cls`` combines."""
    return cast("tuple[type[PrioError], type[Exception] | None]", cls.__dict__.get("_origin", (cls, None)))


_combinations: dict[tuple[type[PrioError], type[Exception]], type[PrioError]] = {}


def _combined(neutral: type[PrioError], base: type[Exception]) -> type[PrioError]:
    """Return the class that is both. Created once, so that equal errors have the same class."""
    known = _combinations.get((neutral, base))
    if known is None:
        body = {"__module__": neutral.__module__, "__doc__": neutral.__doc__, "_origin": (neutral, base)}
        made = cast("type[PrioError]", type(neutral.__name__, (neutral, base), body))
        known = _combinations.setdefault((neutral, base), made)
    return known


def _rebuild(neutral: type[PrioError], base: type[Exception] | None, args: tuple[Any, ...]) -> PrioError:
    cls = neutral if base is None else _combined(neutral, base)
    return cls.__new__(cls, *args)
