"""What URLs in settings must look like. Pure; an error never repeats the URL, which may hold a password."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from ..errors import ConfigurationError
from ..origins import parse_origin

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def base_url(text: str) -> str:
    """A URL that others are joined to, without a slash at its end."""
    if _split(text).query:
        raise ValueError("expected a URL without a query (?...)")
    return text.rstrip("/")


def endpoint_url(text: str) -> str:
    """The URL of one endpoint. It may have a query (RFC 6749 §3.2)."""
    _split(text)
    return text


def issuer_url(text: str) -> str:
    """An issuer identifier (RFC 8414 §2). Not a character of it changes: it is compared with what the server says."""
    _split(text)
    if "?" in text or "#" in text:
        raise ValueError("expected an issuer identifier, which has neither a query (?...) nor a fragment (#...)")
    return text


def origin(text: str) -> str:
    """Scheme, host and port (RFC 6454 §4)."""
    parts = _split(text)
    if parts.query or parts.path.strip("/"):
        raise ValueError("expected an origin without a path, such as https://api.example.com:8443")
    return text.rstrip("/")


def proxy_url(text: str) -> str:
    """A proxy's URL. Unlike the others it may hold user name and password."""
    scheme, separator, rest = text.partition("://")
    known = scheme.lower() in _PROXY_SCHEMES and bool(separator)
    if not known or isinstance(parse_origin(f"http://{rest.rpartition('@')[2]}"), ConfigurationError):
        raise ValueError("expected a URL such as http://proxy.example.com:3128, or one with https or socks5")
    return text


def _split(text: str) -> SplitResult:
    found = parse_origin(text)
    if isinstance(found, ConfigurationError) or found.scheme not in {"http", "https"}:
        raise ValueError("expected a URL such as https://api.example.com/v1, without user name and password")
    parts = urlsplit(text)
    if parts.fragment:
        raise ValueError("expected a URL without a fragment (#...)")
    return parts
