"""Authentication at the sandbox: clients at its token endpoint, bearer tokens at its API."""

from __future__ import annotations

import base64
import contextlib
import copy
import hmac
import json
import math
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry

from .api_errors import ApiError, forbidden
from .sandbox_options import ALL_SCOPES, Account, SandboxOptions

if TYPE_CHECKING:
    from .state import State

_HEADER = base64.urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT"}').rstrip(b"=").decode()

API_KEY = "(API key)"  # Client id of a call that carries an API key.


@dataclass(slots=True)
class Grant:
    """Client, scopes and expiry (by the sandbox's clock) of a token."""

    client_id: str
    scopes: frozenset[str]
    expires_at: float
    revoked: bool = False


class Tokens:
    """The last ``kept`` tokens that were issued. Thread-safe."""

    def __init__(self, *, kept: int = 10_000) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}

    def issue(self, grant: Grant) -> str:
        """Return a new token. It looks like a JWT, as Prio's do, without useful claims."""
        claims = json.dumps({"sub": grant.client_id, "jti": secrets.token_hex(8)}).encode()
        payload = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
        token = f"{_HEADER}.{payload}.{secrets.token_urlsafe(48)}"
        with self._lock:
            self._grants[token] = grant
            if len(self._grants) > self._kept:
                del self._grants[next(iter(self._grants))]
        return token

    def find(self, token: str) -> Grant | None:
        """Return the grant of ``token``, or None if it was never issued."""
        return self._grants.get(token)

    def texts(self) -> list[str]:
        """Return the tokens, oldest first."""
        with self._lock:
            return list(self._grants)

    def revoke(self, client_id: str | None = None) -> int:
        """Revoke the tokens of a client, or all. Return the number that this revoked."""
        with self._lock:
            alive = [grant for grant in self._of(client_id) if not grant.revoked]
            for grant in alive:
                grant.revoked = True
            return len(alive)

    def expire(self, now: float, client_id: str | None = None) -> int:
        """Expire the tokens of a client, or all. Return the number that this expired."""
        with self._lock:
            alive = [grant for grant in self._of(client_id) if grant.expires_at > now]
            for grant in alive:
                grant.expires_at = now
            return len(alive)

    def reset(self) -> None:
        """Forget every token."""
        with self._lock:
            self._grants.clear()

    def _of(self, client_id: str | None) -> list[Grant]:
        return [grant for grant in self._grants.values() if client_id in (None, grant.client_id)]


def authorize(authorization: str | None, needs: tuple[str, ...], tokens: Tokens, options: SandboxOptions, now: float) -> Grant:
    """Return the grant of the token in an ``Authorization`` header.

    Raises:
        ApiError: the token is missing or invalid at ``now`` by the sandbox's clock, or it has none of the scopes ``needs``.
    """
    if authorization is None:
        raise ApiError(options.missing_status, "MISSING_TOKEN", "There is no Authorization header.", challenge="")
    scheme, _, token = authorization.partition(" ")
    grant = tokens.find(token) if scheme.lower() == "bearer" else None
    if grant is None:
        raise ApiError(options.invalid_status, "INVALID_TOKEN", "The token is malformed or unknown.", challenge="invalid_token")
    if grant.revoked:
        raise ApiError(options.revoked_status, options.revoked_code, "Access is not authorized.", challenge="invalid_token")
    if grant.expires_at <= now:
        raise ApiError(401, "TOKEN_EXPIRED", "The token has expired.", challenge="invalid_token")
    if not grant.scopes.intersection(needs):
        raise replace(forbidden("Access is not authorized."), challenge="insufficient_scope", scope=" ".join(needs))
    return grant


def authorize_key(keys: Iterable[str | None], options: SandboxOptions) -> Grant | None:
    """Return the grant of the first of ``keys`` that is an API key of the sandbox, or None."""
    presented = [key.encode() for key in keys if key]
    known = [key.encode() for key in options.api_keys]
    if any(hmac.compare_digest(key, other) for key in presented for other in known):
        return Grant(API_KEY, frozenset(ALL_SCOPES), math.inf)
    return None


_ALGORITHMS: Mapping[Literal["RSA", "EC", "OKP"], tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA", "Ed25519"),
}

_EDDSA = copy.copy(JWSRegistry.algorithms["EdDSA"])
_EDDSA.security_warning = None  # the older name of Ed25519 (RFC 8037, RFC 9864); clients use either


def verified_claims(assertion: str, public_key: str) -> Mapping[str, Any] | None:
    """Return the claims of a JWT that the key, PEM or JWK text, signed; None for any other."""
    for key_type, algorithms in _ALGORITHMS.items():
        registry = JWSRegistry(algorithms=algorithms)
        registry.algorithms = {**registry.algorithms, "EdDSA": _EDDSA}
        with contextlib.suppress(JoseError, ValueError, TypeError, RecursionError):  # Another type of key, or not signed by it.
            key = import_key(json.loads(public_key) if public_key.lstrip().startswith("{") else public_key, key_type)
            return jwt.decode(assertion, key, registry=registry).claims
    return None


JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_ASSERTION_LIFETIME, _SKEW = 60.0, 5.0  # Longest lifetime of an assertion, and tolerance of its times, in seconds.


@dataclass(eq=False)
class OAuthError(Exception):
    """Error response of the token endpoint (RFC 6749 §5.2)."""

    code: str
    description: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class PresentedCredentials:
    """Credentials of a token request, in each way that they can be decoded.

    Attributes:
        method: the client authentication method; empty without one.
        readings: pairs of client id and secret (or assertion), most literal first.
    """

    method: str = ""
    readings: tuple[tuple[str, str], ...] = ()

    @property
    def client_id(self) -> str:
        """The client id in the credentials, or empty."""
        return self.readings[0][0] if self.readings else ""

    @property
    def secret(self) -> str:
        """The secret or the assertion, or empty."""
        return self.readings[0][1] if self.readings else ""


class Assertions:
    """Used assertions until they expire: each is valid once (RFC 7523 §3). Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], float] = {}

    def use(self, client_id: str, jti: str, expires_at: float, now: float) -> bool:
        """Record the use of an assertion. Return True for its first use."""
        with self._lock:
            self._used = {key: until for key, until in self._used.items() if until > now}
            first = (client_id, jti) not in self._used
            self._used[client_id, jti] = expires_at + _SKEW
            return first


def read_credentials(authorization: str | None, parameters: Mapping[str, str], options: SandboxOptions) -> PresentedCredentials:
    """Return the credentials. Raise OAuthError for more than one method at once (RFC 6749 §2.3)."""
    found = []
    if authorization is not None:
        found.append(PresentedCredentials("client_secret_basic", _basic(authorization, options.basic_encodings)))
    if "client_secret" in parameters:
        found.append(
            PresentedCredentials("client_secret_post", ((parameters.get("client_id", ""), parameters["client_secret"]),))
        )
    if "client_assertion" in parameters:
        assertion = parameters["client_assertion"]
        found.append(PresentedCredentials("private_key_jwt", ((_subject(assertion), assertion),)))
    if len(found) > 1:
        raise OAuthError("invalid_request", "The client uses more than one authentication method.")
    return found[0] if found else PresentedCredentials()


def _basic(authorization: str, encodings: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError:
        return ()
    client_id, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        return ()
    readings = {"raw": (client_id, secret), "form": (unquote_plus(client_id), unquote_plus(secret))}
    return tuple(readings[encoding] for encoding in encodings)


def _subject(assertion: str) -> str:
    """Return the unverified ``sub`` of an assertion, which selects the key to verify it with."""
    try:
        payload = assertion.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["sub"])
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return ""


def authenticate(
    credentials: PresentedCredentials, parameters: Mapping[str, str], state: State, audiences: tuple[str, ...]
) -> Account:
    """Return the account of the credentials. An assertion names one of ``audiences``: the token URL, or the issuer.

    Raises:
        OAuthError: the credentials are missing or wrong, or their method is not accepted.
    """
    if state.options.refuse_credentials:
        raise _invalid_client("The credentials were withdrawn.")
    if credentials.method not in state.options.client_auth_methods:
        raise _invalid_client(f"Client authentication {credentials.method or 'none'} is not accepted here.")
    if credentials.method == "private_key_jwt":
        return _by_assertion(credentials, parameters, state, audiences)
    for client_id, secret in credentials.readings:
        account = state.accounts.get(client_id)
        if account and hmac.compare_digest(account.client_secret.encode(), secret.encode()):
            return account
    raise _invalid_client("Client id or secret is wrong.")


def _by_assertion(
    credentials: PresentedCredentials, parameters: Mapping[str, str], state: State, audiences: tuple[str, ...]
) -> Account:
    if parameters.get("client_assertion_type") != JWT_BEARER:
        raise OAuthError("invalid_request", f"client_assertion_type is not {JWT_BEARER}.")
    account = state.accounts.get(credentials.client_id)
    claims = verified_claims(credentials.secret, account.public_key) if account and account.public_key else None
    if account is None or claims is None:
        raise _invalid_client("The assertion's signature cannot be verified.")
    wrong = _wrong_claim(claims, account.client_id, audiences, state.assertions)
    if wrong:
        raise _invalid_client(f"The assertion's {wrong} is not acceptable.")
    return account


def _wrong_claim(claims: Mapping[str, Any], client_id: str, audiences: tuple[str, ...], assertions: Assertions) -> str | None:
    """Return the name of the claim that is wrong, if any (RFC 7523 §3)."""
    now, expires_at, jti = time.time(), claims.get("exp"), claims.get("jti")
    if claims.get("iss") != client_id:
        return "iss"
    if claims.get("aud") not in audiences:
        return "aud"
    if not isinstance(expires_at, int | float) or not now < expires_at <= now + _ASSERTION_LIFETIME + _SKEW:
        return "exp"
    if not isinstance(jti, str) or not assertions.use(client_id, jti, expires_at, now):
        return "jti"
    return None


def _invalid_client(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, 401)
