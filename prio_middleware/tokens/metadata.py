"""An authorization server's metadata, sans I/O: where they are, and what is used of them (RFC 8414)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..origins import parse_origin
from ..plain_http import insecure_url
from ..text import URL_LIMIT, printable, safe_url
from .answer import TokenAnswer, json_members

TOKEN_URL_LIMIT = 2000
"""Characters of a token endpoint's URL."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """The authorization server as its client knows it.

    Attributes:
        identifier: its issuer identifier (RFC 8414 §2), exactly as the server spells it.
        allowed_token_origins: origins, besides that of the identifier, where its token endpoint may be.
        loopback_http_hosts: hosts of this machine that may be reached over plain HTTP.
    """

    identifier: str
    allowed_token_origins: tuple[str, ...] = ()
    loopback_http_hosts: tuple[str, ...] = ()


class Unusable(NamedTuple):
    """Why an answer does not tell where the token endpoint is.

    Attributes:
        problem: what is wrong with it; of the server's words, only what may be repeated.
        remedy: what to do about it, where that is known.
    """

    problem: str
    remedy: str | None = None


def well_known_urls(issuer: str) -> tuple[str, str]:
    """Where the metadata may be: before the path (RFC 8414 §3.1); else behind it (OpenID Connect Discovery 1.0 §4)."""
    whole = issuer.removesuffix("/")
    parts = urlsplit(whole)
    origin = f"{parts.scheme}://{parts.netloc}"
    return f"{origin}/.well-known/oauth-authorization-server{parts.path}", f"{whole}/.well-known/openid-configuration"


def find_token_url(answer: TokenAnswer, issuer: Issuer, auth_method: str) -> str | Unusable:
    """The URL of the token endpoint, if the answer has the metadata of this very issuer, and all that is used of them is right.

    Args:
        answer: what came back from one of the :func:`well_known_urls`.
        issuer: whose metadata these have to be.
        auth_method: how the client is going to authenticate (RFC 7591 §2).
    """
    members = _members(answer)
    if isinstance(members, Unusable):
        return members
    return _wrong_issuer(members, issuer) or _wrong_method(members, auth_method) or _token_url(members, issuer)


def _members(answer: TokenAnswer) -> Mapping[str, object] | Unusable:
    if 300 <= answer.status_code < 400:
        target = safe_url(answer.header("location") or "") or "an unnamed place"
        return Unusable(f"a redirect with {answer.status_code} to {target}, which is not followed")
    if answer.status_code != 200:  # RFC 8414 §3.2
        return Unusable(f"status {answer.status_code}")
    members = json_members(answer)
    return Unusable(members) if isinstance(members, str) else members


def _wrong_issuer(members: Mapping[str, object], issuer: Issuer) -> Unusable | None:
    """RFC 8414 §3.3: it has to be identical, code point by code point, or one server could speak for another."""
    named = members.get("issuer")
    if named == issuer.identifier:
        return None
    if not isinstance(named, str):
        return Unusable("they name no issuer")
    return Unusable(
        f"they are those of another issuer, {printable(named, URL_LIMIT)!r}",
        "If that is the server you mean, set discovery to the very same text, down to a slash at its end.",
    )


def _wrong_method(members: Mapping[str, object], auth_method: str) -> Unusable | None:
    """Where the list is missing, RFC 8414 §2 takes it for client_secret_basic; but servers that know more leave it out too."""
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
    origin = parse_origin(url)
    if isinstance(origin, ConfigurationError) or "#" in url or len(url) > TOKEN_URL_LIMIT:
        return Unusable("the token_endpoint is not the URL of one (RFC 6749 §3.2)")
    if insecure_url(url, issuer.loopback_http_hosts):
        return Unusable(f"the token_endpoint {safe_url(url)} is not https://")
    if origin not in map(parse_origin, (issuer.identifier, *issuer.allowed_token_origins)):
        return Unusable(
            f"the token_endpoint {safe_url(url)} is at another origin than the issuer",
            "If the client's credentials may go there, name its origin in allowed_token_origins.",
        )
    return url
