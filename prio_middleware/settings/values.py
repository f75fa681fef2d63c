"""The kinds of value that settings are made of. A rule's ValueError says what was expected, never what was given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from ..secret import Secret
from .files import why_unreadable
from .urls import base_url, endpoint_url, issuer_url, origin, proxy_url

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no value may hold, and no error repeats: control characters, and lone surrogates, which stand for undecodable bytes."""

_LINE_BREAKS = str.maketrans("", "", "\r\n\t")


def one_line(text: str) -> str:
    """A text that is not empty and has no control characters."""
    if not text.strip():
        raise ValueError("expected a value, found an empty one: leave the key out where there is none")
    if CONTROL.search(text):
        raise ValueError("expected one line of text without control characters")
    return text


def _secret(value: object) -> Secret:
    return Secret(one_line(_revealed(value)))


def _secret_lines(value: object) -> Secret:
    text = _revealed(value)
    one_line(text.translate(_LINE_BREAKS))
    return Secret(text)


def _secret_proxy(value: object) -> Secret:
    return Secret(proxy_url(one_line(_revealed(value))))


def _revealed(value: object) -> str:
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str):
        raise ValueError("expected a string")
    return text


def split_items(value: object) -> object:
    """A list, where it is given as one string, as variables must."""
    return [item for item in re.split(r"[,\s]+", value) if item] if isinstance(value, str) else value


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    table = _decoded(value) if isinstance(value, str) else value
    items = table if isinstance(table, tuple) else tuple(table.items()) if isinstance(table, Mapping) else (None,)
    return tuple(sorted(map(_pair, items)))


def _pair(item: object) -> tuple[str, str]:
    match item:
        case (str() as key, str() as text):
            return one_line(key), one_line(text)
        case _:
            raise ValueError("expected a table of strings")


def _secret_pairs(value: object) -> tuple[tuple[str, Secret], ...]:
    if isinstance(value, tuple) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        value = {key: text.reveal() if isinstance(text, Secret) else text for key, text in value}
    return tuple((key, Secret(text)) for key, text in _pairs(value))


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # what they say repeats the text
        return None


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")
    return value


def _readable(path: Path) -> Path:
    one_line(str(path))
    if reason := why_unreadable(path):
        raise ValueError(f"{path} {reason}; expected a file")
    return path


Text = Annotated[str, AfterValidator(one_line)]
"""One line of text, not empty."""

_MASKED = PlainSerializer(str, when_used="json")

SecretText = Annotated[Secret, PlainValidator(_secret, json_schema_input_type=str), _MASKED]
"""A secret of one line: masked from here on."""

SecretLines = Annotated[Secret, PlainValidator(_secret_lines, json_schema_input_type=str), _MASKED]
"""A secret that may have several lines, as a private key in PEM does."""

SecretProxy = Annotated[Secret, PlainValidator(_secret_proxy, json_schema_input_type=str), _MASKED]
"""A proxy's URL, which may hold a password."""

BaseUrl = Annotated[Text, AfterValidator(base_url)]
EndpointUrl = Annotated[Text, AfterValidator(endpoint_url)]
IssuerUrl = Annotated[Text, AfterValidator(issuer_url)]

_LISTED = BeforeValidator(split_items, json_schema_input_type=list[str] | str)

Items = Annotated[tuple[Text, ...], _LISTED]
"""A list, or one string with commas or spaces between the items, which is all a variable can hold."""

Origins = Annotated[tuple[Annotated[Text, AfterValidator(origin)], ...], _LISTED]
"""A list of origins, in either form."""

Pairs = Annotated[
    tuple[tuple[str, str], ...],
    PlainValidator(_pairs),
    PlainSerializer(dict, when_used="json"),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
"""A table of strings (in a variable: a JSON object), kept as sorted pairs so that settings can be compared and hashed."""

SecretPairs = Annotated[
    tuple[tuple[str, Secret], ...],
    PlainValidator(_secret_pairs),
    PlainSerializer(lambda pairs: {key: str(text) for key, text in pairs}, when_used="json"),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]
"""The same with masked values, where nobody but their author knows whether they are secrets."""

ReadableFile = Annotated[Path, AfterValidator(_readable)]
"""A file that can be read now."""

_NUMERIC = BeforeValidator(_no_bool)

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False), _NUMERIC]
SecondsOrZero = Annotated[float, Field(ge=0, allow_inf_nan=False), _NUMERIC]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), _NUMERIC]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), _NUMERIC]
Count = Annotated[int, Field(ge=1), _NUMERIC]
