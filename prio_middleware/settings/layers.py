"""Layers of settings: what each source says, and how they lie on top of each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal

from .problems import KeyPath

Table = Mapping[str, Any]

_SECRETS = frozenset({"client_secret", "client_secret_file", "private_key", "private_key_file"})

CREDENTIALS = _SECRETS | {"client_id", "key_id"}
"""What a named client does not inherit from the top level: one account's secret must not go to another's server."""

_DISCOVERY = frozenset({"discovery", "allowed_token_origins"})

# A key that a higher layer gives does away with these of the lower ones, which say the same in another way.
_DISPLACES: Mapping[str, frozenset[str]] = {
    "base_url": frozenset({"environment", "version"}),
    "environment": frozenset({"base_url", "token_url"}) | _DISCOVERY,
    "token_url": _DISCOVERY,
    "discovery": frozenset({"token_url", "issuer"}),
    **{key: _SECRETS - {key} for key in _SECRETS},
}


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says. Its values may be secrets in the clear, so it is gone once the settings are made.

    Attributes:
        source: the name of the file or directory; empty for arguments and the environment.
        spelling: how the source spells a key.
        values: nested tables.
    """

    source: str
    spelling: Literal["argument", "variable", "table"]
    values: Table = field(repr=False)

    def has(self, path: KeyPath) -> bool:
        """Whether this source gives the key."""
        return _has(self.values, path)

    def spell(self, path: KeyPath) -> str:
        """The key, as whoever wrote it will find it again."""
        if self.spelling == "argument":
            return f"argument {'.'.join(path)}"
        if self.spelling == "variable":
            return f"{variable(path)} in {self.source}" if self.source else variable(path)
        return f"{self.source}: {'.'.join(path)}"


def variable(path: KeyPath) -> str:
    """The environment variable of a key."""
    return f"PRIO_{'__'.join(path).upper()}"


def merge(documents: Iterable[Table]) -> dict[str, Any]:
    """One document out of several, the first ones on top. Tables are merged key by key; anything else is replaced."""
    return reduce(_document_below, documents, {})


def inherit(table: Table, top_level: Table, name: str) -> dict[str, Any]:
    """A client's table on top of what the top level says for all."""
    return _table_below(table, {key: value for key, value in top_level.items() if inherits(name, key)})


def inherits(name: str, key: str) -> bool:
    """Whether the client takes the top level's value where it has none of its own."""
    return name == "default" or key not in CREDENTIALS


def _document_below(upper: Table, lower: Table) -> dict[str, Any]:
    upper_clients, lower_clients = upper.get("clients", {}), lower.get("clients", {})
    clients = {
        name: _table_below(upper_clients.get(name, {}), lower_clients.get(name, {}))
        for name in {**upper_clients, **lower_clients}
    }
    return {**_table_below(upper, lower), "clients": clients}


def _table_below(upper: Table, lower: Table) -> dict[str, Any]:
    displaced: frozenset[str] = frozenset().union(*(_DISPLACES.get(key, ()) for key in upper))
    return _below(upper, {key: value for key, value in lower.items() if key not in displaced})


def _below(upper: Table, lower: Table) -> dict[str, Any]:
    merged = {**lower, **upper}
    for key in upper.keys() & lower.keys():
        if isinstance(upper[key], Mapping) and isinstance(lower[key], Mapping):
            merged[key] = _below(upper[key], lower[key])
    return merged


def _has(table: object, path: KeyPath) -> bool:
    if not path:
        return True
    return isinstance(table, Mapping) and path[0] in table and _has(table[path[0]], path[1:])
