"""Layers of settings, one for each source, and the problems found in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from .._util.did_you_mean import did_you_mean
from ..errors import ConfigurationError
from .values import CONTROL

KeyPath = tuple[str, ...]  # Path of a value in the document: ``("clients", "berlin", "scope")``.

_LINE_LIMIT = 500


class SettingsProblem(NamedTuple):
    """A fault in the settings. In a client's settings, the path is relative to the client."""

    path: KeyPath
    text: str
    missing: bool = False


def unknown_key(path: KeyPath, valid: Iterable[str]) -> SettingsProblem:
    """Return the problem of a key that does not exist."""
    return SettingsProblem(path, f"no such setting{did_you_mean(path[-1], valid)}")


def read_problems(error: ValidationError, keys: Mapping[KeyPath, Iterable[str]]) -> Iterator[SettingsProblem]:
    """Yield the problems in pydantic's error. ``keys`` are the valid keys of each table."""
    for detail in error.errors(include_url=False):
        path = tuple(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            yield unknown_key(path, keys.get(path[:-1], ()))
        elif detail["type"] != "default_factory_not_called":  # The consequence of another problem.
            yield SettingsProblem(path, _expected(detail["type"], detail["msg"], detail.get("ctx", {}), detail["input"]))


def _expected(kind: str, message: str, context: Mapping[str, Any], given: object) -> str:
    match kind:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            expected = str(context["expected"])
            hint = did_you_mean(given, re.findall(r"'([^']*)'", expected)) if isinstance(given, str) else ""
            return f"expected {expected}{hint}"
        case "model_type":
            return "expected a table"
        case "path_type":
            return "expected a file name"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return message.replace("Input should be", "expected a number")
        case _:
            return message.replace("Input should be", "expected")


def configuration_error(lines: Iterable[str], client: str | None = None) -> ConfigurationError:
    """Return one error for all problems, so that users can correct them at once."""
    wrong = [CONTROL.sub(" ", line)[:_LINE_LIMIT] for line in dict.fromkeys(lines)]
    if len(wrong) > 1:
        return ConfigurationError("\n  - ".join(["The settings are invalid:", *wrong]) + "\n", client=client)
    stop = "" if wrong[0].endswith("?") else "."
    return ConfigurationError(f"The settings are invalid: {wrong[0]}{stop}", client=client)


Table = Mapping[str, Any]

_SECRETS = frozenset({"client_secret", "client_secret_file", "private_key", "private_key_file"})

CREDENTIALS = _SECRETS | {"client_id", "key_id", "token_file", "headers", "headers_file", "api_key", "api_key_file"}
"""Keys that a named client does not inherit from the top level: no client's secret may reach another client's server."""

_DISCOVERY = frozenset({"discovery", "allowed_token_origins"})
_OFF = frozenset({"false", "0", "off", "f", "n", "no"})

# A key in a higher layer removes these keys, which it contradicts, from lower layers.
_DISPLACES: Mapping[str, frozenset[str]] = {
    "base_url": frozenset({"environment", "version"}),
    "environment": frozenset({"base_url", "token_url"}) | _DISCOVERY,
    "token_url": _DISCOVERY,
    "discovery": frozenset({"token_url"}),
    **{key: _SECRETS - {key} for key in _SECRETS},
}

_SECRET, _KEY = frozenset({"client_secret", "client_secret_file"}), frozenset({"private_key", "private_key_file"})

# A higher layer with the first kind of credentials removes the second kind and these keys from lower layers.
_GOES_WITH = ((_SECRET, _KEY, frozenset({"key_id", "algorithm", "assertion_audience"})), (_KEY, _SECRET, {"basic_encoding"}))


@dataclass(frozen=True, slots=True)
class Layer:
    """The values of one source: a file, a directory, or if its name is empty the arguments or the environment.

    They may be secrets in the clear, so a layer is dropped once the settings are made.
    """

    source: str
    spelling: Literal["argument", "variable", "table"]
    values: Table = field(repr=False)

    def has(self, path: KeyPath) -> bool:
        """Return True if this source has a value for the key."""
        table: object = self.values
        for key in path:
            if not isinstance(table, Mapping) or key not in table:
                return False
            table = table[key]
        return True

    def spell(self, path: KeyPath) -> str:
        """Return the key with its source, in the source's own spelling."""
        if self.spelling == "argument":
            return f"argument {'.'.join(map(str, path))}"
        if self.spelling == "variable":
            return f"{variable(path)} in {self.source}" if self.source else variable(path)
        return f"{self.source}: {'.'.join(path)}"


def variable(path: KeyPath) -> str:
    """Return the name of a key's environment variable. Hyphens in a client's name are underscores there."""
    client = [path[1].replace("-", "_")] if path[0] == "clients" and len(path) > 1 else path[1:2]
    return f"PRIO_{'__'.join((*path[:1], *client, *path[2:])).upper()}"


def merge(documents: Iterable[Table]) -> dict[str, Any]:
    """Merge documents, the first one on top. Tables are merged key by key; other values replace each other."""
    return reduce(_merge_documents, documents, {})


def inherit(table: Table, top_level: Table, name: str) -> dict[str, Any]:
    """Return a client's table merged over the top level. Waivers are inherited only together with their pipeline."""
    left_out = {"waive"} if "pipeline" in table else set()
    return _merge_tables(table, {key: value for key, value in top_level.items() if inherits(name, key) and key not in left_out})


def inherits(name: str, key: str) -> bool:
    """Return True if the client inherits the key from the top level."""
    return name == "default" or key not in CREDENTIALS


def _merge_documents(upper: Table, lower: Table) -> dict[str, Any]:
    upper_clients, lower_clients = upper.get("clients", {}), lower.get("clients", {})
    clients = {
        name: _merge_tables(upper_clients.get(name, {}), lower_clients.get(name, {}))
        for name in {**upper_clients, **lower_clients}
    }
    return {**_merge_tables(upper, lower), "clients": clients}


def _merge_tables(upper: Table, lower: Table) -> dict[str, Any]:
    active = [key for key in upper if key != "discovery" or str(upper[key]).lower() not in _OFF]
    displaced: frozenset[str] = frozenset().union(*(_DISPLACES.get(key, ()) for key in active))
    if displaced >= _DISCOVERY and "discovery" in lower:  # The issuer belonged to the discovery that ``upper`` replaces.
        displaced |= {"issuer"}
    for given, replaced, companions in _GOES_WITH:
        if given & upper.keys() and replaced & lower.keys():
            displaced |= companions
    return _deep_merge(upper, {key: value for key, value in lower.items() if key not in displaced})


def _deep_merge(upper: Table, lower: Table) -> dict[str, Any]:
    merged = {**lower, **upper}
    for key in upper.keys() & lower.keys():
        if isinstance(upper[key], Mapping) and isinstance(lower[key], Mapping):
            merged[key] = _deep_merge(upper[key], lower[key])
    return merged
