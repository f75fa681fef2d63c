"""Types of setting values: text, numbers, seconds, lists, secrets and URLs; and the base of settings tables."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from .._util.origins import cuts_password, parse_origin
from .._util.secret import Secret
from ..errors import ConfigurationError
from ..middleware.static_headers import RESERVED
from ..oauth.access_token import SCHEME
from ..oauth.token_request import TOKEN_RESERVED, headers_problem
from .files import shown_path, why_unreadable

_HTTP_SCHEMES = frozenset({"http", "https"})
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


class SettingsTable(BaseModel):
    """Base of every table of settings: immutable, without unknown keys, and without values in its errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        defer_build=True,  # Only the models that are used need a validator.
    )


def base_url(text: str) -> str:
    """Return a URL that relative ones are joined to, without a slash at its end."""
    if _split(text).query:
        raise ValueError("expected a URL without a query (?...)")
    return text.rstrip("/")


class MaskedURL(str):
    """URL of an endpoint. Its ``repr`` does not show the query, which may hold a key."""

    __slots__ = ()

    def masked(self) -> str:
        """Return the URL without the text of its query."""
        path, mark, _ = str(self).partition("?")
        return f"{path}{mark}**" if mark else path

    def __repr__(self) -> str:
        return repr(self.masked())


def endpoint_url(text: str) -> MaskedURL:
    """Return the URL of an endpoint, which may have a query (RFC 6749 §3.2)."""
    _split(text)
    return MaskedURL(text)


def issuer_url(text: str) -> str:
    """Return an issuer identifier (RFC 8414 §2) unchanged: discovery compares it with the metadata character by character."""
    _split(text)
    if "?" in text or "#" in text:
        raise ValueError("expected an issuer identifier, which has neither a query (?...) nor a fragment (#...)")
    return text


def origin(text: str, schemes: frozenset[str] = _HTTP_SCHEMES) -> str:
    """Return an origin (RFC 6454 §4): scheme, host and port."""
    parts = _split(text, schemes)
    if parts.query or parts.path.strip("/"):
        raise ValueError("expected an origin without a path, such as https://api.example.com:8443")
    return text.rstrip("/")


def proxy_url(text: str) -> str:
    """Return a proxy's URL. Unlike other URLs it may contain user name and password."""
    one_line(text)
    scheme, separator, rest = text.partition("://")
    if cuts_password(text):
        raise ValueError("expected a URL in whose user name and password / is written as %2F, ? as %3F and # as %23")
    known = scheme.lower() in _PROXY_SCHEMES and bool(separator)
    if not known or isinstance(parse_origin(f"http://{rest.rpartition('@')[2]}"), ConfigurationError):
        raise ValueError("expected a URL such as http://proxy.example.com:3128, or one with https or socks5")
    return text


def _split(text: str, schemes: frozenset[str] = _HTTP_SCHEMES) -> SplitResult:
    found = parse_origin(text)
    if isinstance(found, ConfigurationError) or found.scheme not in schemes:
        raise ValueError("expected a URL such as https://api.example.com/v1, without user name and password")
    parts = urlsplit(text)
    if parts.fragment:
        raise ValueError("expected a URL without a fragment (#...)")
    return parts


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Characters that values and errors never contain: control characters, and lone surrogates, which are undecodable bytes."""

_ALLOWED_CONTROLS = str.maketrans("", "", "\r\n\t")


def one_line(text: str) -> str:
    """Return a text that is not empty and has no control characters."""
    if not text.strip():
        raise ValueError("expected a value, found an empty one: remove the key to leave it unset")
    if CONTROL.search(text):
        raise ValueError("expected one line of text without control characters")
    return text


def _lines(text: str) -> str:
    one_line(text.translate(_ALLOWED_CONTROLS))
    return text


def _scheme(text: str) -> str:
    if not SCHEME.fullmatch(text):
        raise ValueError("expected one word, such as Bearer")
    return text


def secret_of(check: Callable[[str], str]) -> Any:
    """Return a validator that makes a secret of a text, or of a secret, if ``check`` accepts its text."""

    def validate(value: object) -> Secret:
        text = value.reveal() if isinstance(value, Secret) else value
        if not isinstance(text, str):
            raise ValueError("expected a string")
        return Secret(check(text))

    return PlainValidator(validate, json_schema_input_type=str)


def split_items(value: object) -> object:
    """Split a string at commas and spaces, because a variable cannot hold a list; return anything else unchanged."""
    return [item for item in re.split(r"[,\s]+", value) if item] if isinstance(value, str) else value


_EXPECTED_PAIRS = "expected a table of strings"


def table_items(value: object, expected: str) -> tuple[tuple[Any, Any], ...]:
    """Return the items of a table, of a JSON object in a variable, or of a table that was read before."""
    table = decoded(value) if isinstance(value, str) else value
    items = tuple(table.items()) if isinstance(table, Mapping) else table
    if isinstance(items, tuple) and all(isinstance(item, tuple) and len(item) == 2 for item in items):
        return items
    raise ValueError(expected)


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    items = table_items(value, _EXPECTED_PAIRS)
    if not all(isinstance(part, str) for item in items for part in item):
        raise ValueError(_EXPECTED_PAIRS)
    return tuple(sorted((one_line(key), one_line(text)) for key, text in items))


def _secret_pairs(value: object) -> tuple[tuple[str, Secret], ...]:
    items = table_items(value, _EXPECTED_PAIRS)
    revealed = tuple((key, text.reveal() if isinstance(text, Secret) else text) for key, text in items)
    return tuple((key, Secret(text)) for key, text in _pairs(revealed))


def _headers(headers: tuple[tuple[str, Secret], ...], reserved: tuple[str, ...] = TOKEN_RESERVED) -> Any:
    problem = headers_problem(headers, reserved)
    if problem:
        raise ValueError(problem)
    return headers


def decoded(text: str) -> object:
    """Return the value of a JSON text, or None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # Their messages repeat the text, which may be secret.
        return None


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _readable(path: Path) -> Path:
    one_line(str(path))
    if reason := why_unreadable(path):
        raise ValueError(f"{shown_path(path)} {reason}; expected a file")
    return path


Text = Annotated[str, AfterValidator(one_line)]  # Line of text that is not empty.
MASKED = PlainSerializer(str, when_used="json")
SecretText = Annotated[Secret, secret_of(one_line), MASKED]  # Secret of one line, masked when it is shown or dumped.
SecretLines = Annotated[Secret, secret_of(_lines), MASKED]  # Secret of one or more lines, such as a private key in PEM.
SecretProxy = Annotated[Secret, secret_of(proxy_url), MASKED]  # Proxy URL, which may contain a password.
BaseUrl = Annotated[Text, AfterValidator(base_url)]
EndpointUrl = Annotated[Text, AfterValidator(endpoint_url), PlainSerializer(lambda url: MaskedURL(url).masked(), str)]
IssuerUrl = Annotated[Text, AfterValidator(issuer_url)]
Scheme = Annotated[Text, AfterValidator(_scheme)]  # Authentication scheme (RFC 9110 §11.1).

# Lists, or one string with commas or spaces between the items, which is all that a variable can hold.
LISTED = BeforeValidator(split_items, json_schema_input_type=list[str] | str)
Items = Annotated[tuple[Text, ...], LISTED]
Origins = Annotated[tuple[Annotated[Text, AfterValidator(partial(origin, schemes=_HTTP_SCHEMES | {"ws", "wss"}))], ...], LISTED]
HttpOrigins = Annotated[tuple[Annotated[Text, AfterValidator(origin)], ...], LISTED]  # List of HTTP origins.

Pairs = Annotated[
    tuple[tuple[str, str], ...],
    PlainValidator(_pairs),
    PlainSerializer(dict, when_used="json"),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
"""Table of strings (in a variable: a JSON object), kept as sorted pairs so that settings can be compared and hashed."""

SecretPairs = Annotated[
    tuple[tuple[str, Secret], ...],
    PlainValidator(_secret_pairs),
    PlainSerializer(lambda pairs: {key: str(text) for key, text in pairs}, when_used="json"),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
"""Table of strings that may be secret, so their values are masked."""

TokenHeaders = Annotated[SecretPairs, AfterValidator(_headers)]
AllowedOriginHeaders = Annotated[SecretPairs, AfterValidator(partial(_headers, reserved=RESERVED))]
ReadableFile = Annotated[Path, AfterValidator(_readable)]  # File that is readable when the settings are loaded.

_NUMERIC = BeforeValidator(_no_bool)
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), _NUMERIC]
SecondsOrZero = Annotated[float, Field(ge=0, allow_inf_nan=False), _NUMERIC]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), _NUMERIC]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), _NUMERIC]
Count = Annotated[int, Field(ge=1), _NUMERIC]
