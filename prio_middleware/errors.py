"""Every error of the project, in one tree.

::

    PrioError
    ├── ConfigurationError                 settings, a pipeline or a request's options are wrong
    ├── PolicyError                        the request was refused here; nothing left this machine
    │   ├── InsecureTransportError         plain HTTP
    │   ├── ForeignOriginError             another origin than the client's own, where those are refused
    │   └── BudgetExceededError            one more could make the server shut this client out
    ├── TokenError                         no token could be had; the request was not sent
    │   ├── TokenEndpointUnavailableError  no connection, a timeout, 429 or 5xx: worth another try later
    │   ├── TokenRequestRefusedError       the server refused the token request (RFC 6749 §5.2)
    │   │   └── CredentialsRefusedError    ... because of the client's credentials
    │   ├── InvalidTokenResponseError      the server answered with something that is no token
    │   └── DiscoveryError                 the server's metadata do not say where to ask for one
    └── ReauthenticationError              why a refusal was handed on: in response.extensions, never raised
        ├── BodyNotReplayableError         the request's body can be sent once only
        ├── NewTokenUnavailableError       no new token could be had
        └── SecondTryRefusedError          a new token was had, but sending again was refused here

An error raised through a client is also that HTTP library's ``TransportError``: ``except httpx.HTTPError`` catches it.
No error, and nothing reachable from one, holds a secret, a token or a raw body.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, cast

from .text import safe_url


class PrioError(Exception):
    """The root of the tree.

    Attributes:
        message: what happened.
        client: the configured name of the client it happened to.
        url: the URL it was about, without user info, query and fragment.
        remedy: what to do about it.
        retry_after: seconds after which another try makes sense, where that is known.
        code: the server's error code (RFC 6749 §5.2), where it gave one.
        status_code: the HTTP status of the answer that led to the error, where there was one.
        error_reference: the vendor's reference for this very failure: quote it to the vendor's support.
    """

    default_remedy: ClassVar[str] = "Please report this: an error without a remedy is a defect."

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
        """The same error as a new object, with ``changes`` to its attributes: every caller raises one of its own."""
        neutral, base = _origin(type(self))
        twin = _rebuild(neutral, base, self.args)
        twin.__dict__.update(self.__dict__, **changes)
        return cast("Self", twin)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (*_origin(type(self)), self.args), dict(self.__dict__)


class ConfigurationError(PrioError):
    """Settings, a pipeline or a request's options are incomplete, contradictory or misspelt."""

    default_remedy = "Correct the configuration and start again."


class PolicyError(PrioError):
    """The request was refused here: no token was asked for and no byte left this machine.

    Attributes:
        reason: what such requests are counted as, among those refused here.
    """

    reason: ClassVar[str] = "policy"


class InsecureTransportError(PolicyError):
    """The URL is plain HTTP: a token or a secret would travel in the clear (RFC 6750 §5.3)."""

    reason = "plain_http"
    default_remedy = "Use https://. For a test server on this machine, name its loopback host in the settings."


class ForeignOriginError(PolicyError):
    """The URL is at another origin than the client's own, and the settings say to refuse such requests."""

    reason = "foreign_origin"
    default_remedy = "Add the origin to the allowed ones if it may have the token; else use another client for it."


class BudgetExceededError(PolicyError):
    """One more request could exceed what the server takes in a minute, and the budget guard is asked to prevent that.

    ``retry_after`` says when there may be room again. Where others spent the rest while this call was getting its token, one
    was asked for; the call itself was not sent.
    """

    reason = "budget"
    default_remedy = "Wait retry_after seconds; then see which calls are answered with 4xx, and mend those: each one counts."


class TokenError(PrioError):
    """No token could be had. The request was not sent: it never is without its token.

    Attributes:
        held_back: the server was not asked this time, for it would have said the same again.
    """

    held_back = False


class TokenEndpointUnavailableError(TokenError):
    """The token endpoint gave no answer in time, or said 429 or 5xx, until the deadline was over."""

    default_remedy = "Check that the token endpoint can be reached from here, then try again: nothing needs a restart."


class TokenRequestRefusedError(TokenError):
    """The token endpoint refused the request with an error of RFC 6749 §5.2, or with another 4xx."""

    default_remedy = "Compare scope, grant type and body format with what the server's documentation asks for."


class CredentialsRefusedError(TokenRequestRefusedError):
    """The token endpoint does not accept the client's credentials (``invalid_client``, ``unauthorized_client``)."""

    default_remedy = "Check client id, secret and client authentication method; ask the vendor if they were revoked."


class InvalidTokenResponseError(TokenError):
    """The token endpoint's answer is not a token response of RFC 6749 §5.1."""

    default_remedy = "Check the token URL: what answers there is not, or not only, a token endpoint."


class DiscoveryError(TokenError):
    """The authorization server's metadata (RFC 8414) are missing or another server's, or name no token endpoint to be used."""

    default_remedy = "Set discovery to the issuer identifier, exactly as the server spells it, or set token_url instead."


class ReauthenticationError(PrioError):
    """Why the server's refusal was handed on after it was judged to be about the token.

    Found in ``response.extensions["prio_middleware.reason"]``; it is never raised.

    Attributes:
        outcome: what such second tries are counted as.
    """

    outcome: ClassVar[str] = "failed"


class BodyNotReplayableError(ReauthenticationError):
    """The refused token was dropped, but the request's body was a stream that can be sent once only."""

    outcome = "body_not_replayable"
    default_remedy = "Make the request again: it will have a new token. Bodies given as bytes, JSON or form data are resent."


class NewTokenUnavailableError(ReauthenticationError):
    """The refused token was dropped, but no new one could be had."""

    outcome = "token_unavailable"
    default_remedy = "See the message for the token endpoint's failure, and mend that first."


class SecondTryRefusedError(ReauthenticationError):
    """The refused token was replaced, but sending the request again was refused here: nothing was left of the budget."""

    outcome = "budget"
    default_remedy = "See the message for the reason; once that is over, make the request again: it will have the new token."


def bind(error: PrioError, base: type[Exception]) -> PrioError:
    """A new copy of ``error`` that is an instance of ``base`` too, so that ``except httpx.HTTPError`` catches it."""
    if isinstance(error, base):
        return error.copy()
    bound = _rebuild(_origin(type(error))[0], base, error.args)
    base.__init__(bound, *error.args)
    bound.__dict__.update(error.__dict__)
    return bound


def _origin(cls: type[PrioError]) -> tuple[type[PrioError], type[Exception] | None]:
    """The class of the tree and the HTTP library's class that ``cls`` combines."""
    return cast("tuple[type[PrioError], type[Exception] | None]", cls.__dict__.get("_origin", (cls, None)))


_combinations: dict[tuple[type[PrioError], type[Exception]], type[PrioError]] = {}


def _combined(neutral: type[PrioError], base: type[Exception]) -> type[PrioError]:
    """The class that is both, made once: two errors of a kind are to be of one class."""
    known = _combinations.get((neutral, base))
    if known is None:
        body = {"__module__": neutral.__module__, "__doc__": neutral.__doc__, "_origin": (neutral, base)}
        made = cast("type[PrioError]", type(neutral.__name__, (neutral, base), body))
        known = _combinations.setdefault((neutral, base), made)
    return known


def _rebuild(neutral: type[PrioError], base: type[Exception] | None, args: tuple[Any, ...]) -> PrioError:
    cls = neutral if base is None else _combined(neutral, base)
    return cls.__new__(cls, *args)
