"""Discovery of the token endpoint from authorization server metadata (RFC 8414), without I/O."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from .._util.origins import parse_origin
from .._util.plain_http import insecure_url
from .._util.redaction import URL_LIMIT, WITHHELD, printable, safe_url, server_text
from .._util.retry_after import retry_after
from .._util.secret import Secret
from ..errors import ConfigurationError, DiscoveryError, TokenEndpointUnavailableError, TokenError, TokenRequestRefusedError
from ..telemetry.logs import log
from .access_token import TokenOptions
from .effects import Post, Steps, request_token
from .single_flight import Result
from .token_request import TokenEndpoint, TokenRequest
from .token_response import TokenResponse, json_members

TOKEN_URL_LIMIT = 2000  # Maximum length of a token endpoint's URL, in characters.


@dataclass(frozen=True, slots=True)
class Issuer:
    """An authorization server.

    Attributes:
        identifier: its issuer identifier (RFC 8414 §2), exactly as the server spells it.
        allowed_token_origins: origins that its token endpoint may have, besides that of the identifier.
        loopback_http_hosts: hosts of this machine that may be reached over plain HTTP.
    """

    identifier: str
    allowed_token_origins: tuple[str, ...] = ()
    loopback_http_hosts: tuple[str, ...] = ()


class Unusable(NamedTuple):
    """Metadata without a usable token endpoint. ``problem`` holds no text of the server that an error must not repeat."""

    problem: str
    remedy: str | None = None


def well_known_urls(issuer: str) -> tuple[str, str]:
    """Return the metadata URLs of RFC 8414 §3.1 and of OpenID Connect Discovery 1.0 §4."""
    whole = issuer.removesuffix("/")
    parts = urlsplit(whole)
    origin = f"{parts.scheme}://{parts.netloc}"
    return f"{origin}/.well-known/oauth-authorization-server{parts.path}", f"{whole}/.well-known/openid-configuration"


def find_token_url(response: TokenResponse, issuer: Issuer, auth_method: str, secrets: Iterable[Secret] = ()) -> str | Unusable:
    """Return the token endpoint's URL if the response has valid metadata of exactly this issuer.

    ``auth_method`` is that of the client authentication. The ``secrets`` were sent: an error does not repeat them.
    """
    members = _members(response)
    if isinstance(members, Unusable):
        found: str | Unusable = members
    else:
        found = _wrong_issuer(members, issuer) or _wrong_method(members, auth_method) or _token_url(members, issuer)
    if isinstance(found, Unusable) and server_text(found.problem, secrets) == WITHHELD:
        return found._replace(problem=WITHHELD)
    return found


def _members(response: TokenResponse) -> Mapping[str, object] | Unusable:
    if 300 <= response.status_code < 400:
        target = safe_url(response.header("location") or "") or "an unnamed URL"
        return Unusable(f"a redirect with {response.status_code} to {target}, which is not followed")
    if response.status_code != 200:  # RFC 8414 §3.2
        return Unusable(f"status {response.status_code}")
    members = json_members(response)
    return Unusable(members) if isinstance(members, str) else members


def _wrong_issuer(members: Mapping[str, object], issuer: Issuer) -> Unusable | None:
    """Require the identical issuer (RFC 8414 §3.3), so that no server can impersonate another."""
    named = members.get("issuer")
    if named == issuer.identifier:
        return None
    if not isinstance(named, str):
        return Unusable("they name no issuer")
    return Unusable(
        f"they are those of another issuer, {printable(named, URL_LIMIT)!r}",
        "If that is the server you mean, set issuer to exactly that text, including a slash at its end.",
    )


def _wrong_method(members: Mapping[str, object], auth_method: str) -> Unusable | None:
    """Accept a missing list: RFC 8414 §2 reads it as client_secret_basic, but servers that support more omit it, too."""
    offered = members.get("token_endpoint_auth_methods_supported")
    if not isinstance(offered, list) or auth_method in offered:
        return None
    names = printable(", ".join(name for name in offered if isinstance(name, str)))
    return Unusable(
        f"the server does not know the client authentication {auth_method}, only: {names or 'none'}",
        "Set client_auth to a method that the server knows.",
    )


def _token_url(members: Mapping[str, object], issuer: Issuer) -> str | Unusable:
    url = members.get("token_endpoint")
    if not isinstance(url, str):
        return Unusable("they name no token_endpoint")
    origin = parse_origin(url) if len(url) <= TOKEN_URL_LIMIT else None
    if origin is None or isinstance(origin, ConfigurationError) or "#" in url:
        return Unusable("the token_endpoint is not a valid URL (RFC 6749 §3.2)")
    if insecure_url(url, issuer.loopback_http_hosts):
        return Unusable(f"the token_endpoint {safe_url(url)} is not https://")
    if origin not in map(parse_origin, (issuer.identifier, *issuer.allowed_token_origins)):
        return Unusable(
            f"the token_endpoint {safe_url(url)} is at another origin than the issuer",
            "If the client's credentials may go there, name its origin in allowed_token_origins.",
        )
    return url


REREAD_PAUSE = 10.0  # Minimum seconds between two reads of the metadata when a token URL is known.

_MOVED = frozenset({404, 405, 410})


class Discovery:
    """Token endpoint of one issuer, read from its metadata before the first token request.

    The metadata are read again after a token request that fails as if the endpoint had moved, at most once in ``REREAD_PAUSE``.
    If that fails, the known token endpoint stays in use.

    Attributes:
        token_url: the token endpoint, or None until it is known.

    Raises:
        InsecureTransportError: the issuer identifier is plain HTTP.
    """

    def __init__(self, issuer: Issuer) -> None:
        problem = insecure_url(issuer.identifier, issuer.loopback_http_hosts)
        if problem:
            raise problem
        self._issuer = issuer
        self._may_have_moved = False
        self._read_at = -math.inf
        self.token_url: str | None = None

    def request_token(
        self, endpoint: TokenEndpoint, options: TokenOptions, deadline_at: float, clock: Callable[[], float]
    ) -> Steps[Result]:
        """Make one attempt to get a token from the discovered token endpoint. The URL of ``endpoint`` is the issuer's.

        ``deadline_at`` is the moment of ``clock`` at which the whole fetch is given up.
        """
        url = yield from self._locate(endpoint, deadline_at, clock)
        if isinstance(url, TokenError):
            return url
        result = yield from request_token(dataclasses.replace(endpoint, url=url), options, deadline_at, clock)
        self._may_have_moved = isinstance(result, TokenError) and may_have_moved(result)
        if not self._may_have_moved:
            return result
        new_url = yield from self._locate(endpoint, deadline_at, clock)
        if isinstance(new_url, TokenError) or new_url == url:
            return result
        return (yield from request_token(dataclasses.replace(endpoint, url=new_url), options, deadline_at, clock))

    def _locate(self, endpoint: TokenEndpoint, deadline_at: float, clock: Callable[[], float]) -> Steps[str | TokenError]:
        """Return the known token URL, unless it may have moved and there is time to read the metadata again."""
        known, now = self.token_url, clock()
        if known and not (self._may_have_moved and self._read_at + REREAD_PAUSE <= now < deadline_at):
            return known
        self._read_at = now  # Before the read, so that other fetches do not read too.
        found = yield from self._read_metadata(endpoint, deadline_at, clock)
        if isinstance(found, TokenError):
            return known or found
        self.token_url, self._may_have_moved = found, False
        if found != known:
            client = endpoint.client
            message = "The token endpoint of the client %r is %s."
            log(logging.INFO, message, client, safe_url(found), event="token_endpoint_found", client=client)
        return found

    def _read_metadata(
        self, endpoint: TokenEndpoint, deadline_at: float, clock: Callable[[], float]
    ) -> Steps[str | TokenError]:
        """Request each well-known URL until one has usable metadata.

        After a 5xx the other URL is tried: gateways answer so for paths without a server. It is not tried if there was no
        response, or one that asks for fewer requests.
        """
        failures: list[tuple[TokenRequest, Unusable]] = []
        unavailable: TokenError | None = None
        for url in well_known_urls(self._issuer.identifier):
            request = endpoint.metadata_request(url, deadline_at - clock())
            response: TokenResponse = yield Post(request)
            if response.is_unavailable:
                unavailable = unavailable or request.explain(_unavailable(response, request.secrets), endpoint.client)
                if response.status_code < 500:
                    break
                continue
            found = find_token_url(response, self._issuer, endpoint.auth.method, request.secrets)
            if not isinstance(found, Unusable):
                return found
            failures.append((request, found))
        return unavailable or _unusable(failures, self._issuer.identifier, endpoint.client)


def may_have_moved(error: TokenError) -> bool:
    """Return whether a token request may have failed because the token endpoint has moved.

    An OAuth error, or a 429, comes from the token endpoint itself.
    """
    if isinstance(error, TokenRequestRefusedError):
        return error.status_code in _MOVED
    return error.status_code != 429


def _unavailable(response: TokenResponse, secrets: tuple[Secret, ...]) -> TokenError:
    failure = None if response.failure is None else server_text(response.failure, secrets) or "unknown reason"
    return TokenEndpointUnavailableError(
        f"The authorization server's metadata are unavailable: {failure or f'status {response.status_code}'}.",
        remedy="Check that this machine can reach the URL, then retry. No restart is needed.",
        retry_after=retry_after(response.header("retry-after"), response.header("date")),
        status_code=response.status_code or None,
    ).copy(cause=response.cause)


def _unusable(failures: list[tuple[TokenRequest, Unusable]], issuer: str, client: str) -> TokenError:
    problems = "; ".join(f"at {safe_url(request.url)}, {failure.problem}" for request, failure in failures)
    error = DiscoveryError(
        f"The authorization server's metadata name no usable token endpoint: {problems}.",
        remedy=next((failure.remedy for _, failure in failures if failure.remedy), None),
    )
    (request, _), *_ = failures
    return request.explain(error, client).copy(url=issuer)
