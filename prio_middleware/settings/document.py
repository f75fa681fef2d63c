"""All that can be written, in one model: what variables are read by, and what the JSON Schema is made from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..nearest import did_you_mean
from .client import KEYS, ClientTable
from .problems import KeyPath, Problem, unknown_key

# No double underscore, and none at the end: the environment could not tell it from its own.
NAME_PATTERN = r"^[a-z](_?[a-z0-9])*$"

ClientName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class Document(ClientTable, BaseSettings):
    """Settings of prio_middleware.

    Keys at the top level describe the client "default". The named ones inherit them, but for the credentials.
    """

    model_config = SettingsConfigDict(env_prefix="PRIO_", env_nested_delimiter="__", enable_decoding=False)

    clients: dict[ClientName, ClientTable] = Field(default={}, json_schema_extra={"additionalProperties": False})
    """Named clients. Each inherits the top level's settings, but for the credentials."""


TOP_LEVEL_KEYS = tuple(Document.model_fields)


def check_structure(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Keys that do not exist, and tables that are none. What the values are worth is each client's business."""
    yield from _unknown(values, (), TOP_LEVEL_KEYS)
    clients = values.get("clients", {})
    if not isinstance(clients, Mapping):
        yield Problem(("clients",), "expected a table for each client, such as [clients.berlin]")
        return
    for name, table in clients.items():
        yield from _check_client(("clients", str(name)), table)


def _check_client(path: KeyPath, table: object) -> Iterator[Problem]:
    if not re.fullmatch(NAME_PATTERN, path[-1]):
        yield Problem(path, "expected a client name of lower-case letters, digits and single underscores: berlin_2")
    if isinstance(table, Mapping):
        yield from _unknown(table, path, KEYS[()])
    else:
        yield Problem(path, f"expected a table with this client's settings{did_you_mean(path[-1], KEYS[()])}")


def _unknown(table: Mapping[str, Any], path: KeyPath, valid: tuple[str, ...]) -> Iterator[Problem]:
    return (unknown_key((*path, str(key)), valid) for key in table if key not in valid)
