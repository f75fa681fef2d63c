"""Client authentication, seen from the server: who sent this token request (RFC 6749 §2.3, RFC 7523 §2.2)."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from .accounts import Account
from .options import SandboxOptions

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SKEW = 5.0


@dataclass(frozen=True, slots=True)
class OAuthError:
    """A refusal of the token endpoint (RFC 6749 §5.2)."""

    code: str
    description: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class Presented:
    """The credentials a token request carries, each way they can be read.

    Attributes:
        method: the client authentication method; empty where there is none.
        readings: pairs of client id and secret (or assertion), most literal first.
    """

    method: str = ""
    readings: tuple[tuple[str, str], ...] = ()

    @property
    def client_id(self) -> str:
        """Whose credentials these are said to be."""
        return self.readings[0][0] if self.readings else ""

    @property
    def secret(self) -> str:
        """The secret or the assertion, as it came."""
        return self.readings[0][1] if self.readings else ""


class Assertions:
    """The assertions that were used, until they expire: each is good for one time (RFC 7523 §3). Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], float] = {}

    def use(self, client_id: str, jti: str, expires_at: float, now: float) -> bool:
        """Whether this is the first time."""
        with self._lock:
            self._used = {key: until for key, until in self._used.items() if until > now}
            first = (client_id, jti) not in self._used
            self._used[client_id, jti] = expires_at + _SKEW
            return first


def presented(authorization: str | None, parameters: Mapping[str, str], options: SandboxOptions) -> Presented | OAuthError:
    """Find the credentials. More than one way at once is an error (RFC 6749 §2.3)."""
    found = list(_ways(authorization, parameters, options))
    if len(found) > 1:
        return OAuthError("invalid_request", "The client authenticates in more than one way.")
    return found[0] if found else Presented()


def _ways(authorization: str | None, parameters: Mapping[str, str], options: SandboxOptions) -> Iterator[Presented]:
    if authorization is not None:
        yield Presented("client_secret_basic", _basic(authorization, options.basic_encodings))
    if "client_secret" in parameters:
        yield Presented("client_secret_post", ((parameters.get("client_id", ""), parameters["client_secret"]),))
    if "client_assertion" in parameters:
        assertion = parameters["client_assertion"]
        yield Presented("private_key_jwt", ((_subject(assertion), assertion),))


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
    """The ``sub`` that an assertion claims, unchecked: it says whose key to check it with."""
    try:
        payload = assertion.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return str(claims["sub"])
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return ""


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Checks credentials against the accounts.

    Attributes:
        options: what is accepted.
        accounts: by client id.
        audiences: what an assertion may name as ``aud``: the token URL, and the issuer.
        assertions: those that were used already.
        now: the Unix time, in seconds.
    """

    options: SandboxOptions
    accounts: Mapping[str, Account]
    audiences: tuple[str, ...]
    assertions: Assertions
    now: float

    def authenticate(self, credentials: Presented, parameters: Mapping[str, str]) -> Account | OAuthError:
        """Whose request it is, or ``invalid_client``."""
        if self.options.refuse_credentials:
            return _invalid_client("The credentials were withdrawn.")
        if credentials.method not in self.options.client_auth_methods:
            return _invalid_client(f"Client authentication {credentials.method or 'none'} is not accepted here.")
        if credentials.method == "private_key_jwt":
            return self._by_assertion(credentials, parameters)
        for client_id, secret in credentials.readings:
            account = self.accounts.get(client_id)
            if account and hmac.compare_digest(account.client_secret.encode(), secret.encode()):
                return account
        return _invalid_client("Client id or secret is wrong.")

    def _by_assertion(self, credentials: Presented, parameters: Mapping[str, str]) -> Account | OAuthError:
        if parameters.get("client_assertion_type") != JWT_BEARER:
            return OAuthError("invalid_request", f"client_assertion_type is not {JWT_BEARER}.")
        account = self.accounts.get(credentials.client_id)
        claims = self._claims(credentials.secret, account.public_key) if account and account.public_key else None
        if account is None or claims is None:
            return _invalid_client("The assertion's signature cannot be verified.")
        wrong = self._wrong_claim(claims, account.client_id)
        return _invalid_client(f"The assertion's {wrong} is not acceptable.") if wrong else account

    @staticmethod
    def _claims(assertion: str, public_key: str) -> Mapping[str, Any] | None:
        from .assertion import verified_claims  # loads cryptography, which few need

        return verified_claims(assertion, public_key)

    def _wrong_claim(self, claims: Mapping[str, Any], client_id: str) -> str | None:
        """The claim that is wrong, if any (RFC 7523 §3)."""
        expires_at = _seconds(claims.get("exp"))
        if claims.get("iss") != client_id:
            return "iss"
        if claims.get("aud") not in self.audiences:
            return "aud"
        if not self.now < expires_at <= self.now + self.options.assertion_lifetime + _SKEW:
            return "exp"
        jti = claims.get("jti")
        if not isinstance(jti, str) or not self.assertions.use(client_id, jti, expires_at, self.now):
            return "jti"
        return None


def _seconds(claim: object) -> float:
    return claim if isinstance(claim, int | float) else 0


def _invalid_client(description: str) -> OAuthError:
    return OAuthError("invalid_client", description, 401)
