"""Settings of one client, and the structure of the document that contains all clients."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError

from .._util.did_you_mean import did_you_mean
from .._util.redaction import SHORTEST_SEARCHED
from .._util.secret import Secret
from ..telemetry.logs import log
from .checks import check
from .files import read_secret_file
from .layers import KeyPath, SettingsProblem, configuration_error, read_problems, unknown_key
from .models import Application, BudgetGuardTable, ClientTable
from .token_store import TokenStore


class ClientSettings(ClientTable):
    """Checked settings of one client, with the preset's defaults. Immutable.

    Two objects are equal if all values are, secrets included; they can be keys of a dictionary. Secrets are masked in output
    and dumps. Pickling raises TypeError.

    Raises:
        ConfigurationError: settings are missing, misspelt, contradictory or of the wrong type; one error lists all of them.
    """

    name: str = "default"
    """The client's name: ``default``, or the key of its table under ``clients``."""

    def __init__(self, **values: Any) -> None:
        problems = fill(self, values)
        del self, values  # Crash reporters print the locals of this frame.
        if problems:
            raise configuration_error(f"{'.'.join(problem.path)}: {problem.text}" for problem in problems)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        del value  # pydantic's own error would contain it.
        raise TypeError(f"Settings are immutable: create new ones with another {name}.")


KEYS: Mapping[KeyPath, tuple[str, ...]] = {
    (): tuple(ClientTable.model_fields),
    ("app",): tuple(Application.model_fields),
    ("token_store",): tuple(TokenStore.model_fields),
    ("budget_guard",): tuple(BudgetGuardTable.model_fields),
}
"""Valid keys of a client's tables."""

# Secrets of a client and of the token store's table, and the settings that name their files.
SECRET_FILES: dict[str, str] = {"client_secret": "client_secret_file", "private_key": "private_key_file"}
STORE_SECRET_FILES: Mapping[str, str] = {"encryption_key": "encryption_key_file"}


def fill(client: ClientSettings, values: Mapping[str, Any], own: Mapping[str, Any] | None = None) -> list[SettingsProblem]:
    """Set the values of a new, blank client, inherited ones included. Return the problems found.

    ``own`` are the settings that are written for this client itself; by default all values.
    """
    secrets, problems = _read_secret_files(values, SECRET_FILES)
    if isinstance(store := values.get("token_store"), Mapping):
        keys, wrong = _read_secret_files(store, STORE_SECRET_FILES)
        secrets["token_store"] = {**store, **keys}
        problems += [problem._replace(path=("token_store", *problem.path)) for problem in wrong]
    try:
        BaseModel.__init__(client, **{**values, **secrets})
    except ValidationError as error:
        return [*problems, *read_problems(error, KEYS)]
    if client.client_secret and len(client.client_secret.reveal()) < SHORTEST_SEARCHED:
        key = "client_secret_file" if client.client_secret_file else "client_secret"
        message = (
            "The %s of the client %r has fewer than %d characters: too few to mask it in texts from servers. Get a longer one."
        )
        log(logging.WARNING, message, key, client.name, SHORTEST_SEARCHED, event="short_secret", client=client.name)
    return problems or list(check(client, values if own is None else own, client.name))


def _read_secret_files(values: Mapping[str, Any], files: Mapping[str, str]) -> tuple[dict[str, Any], list[SettingsProblem]]:
    secrets: dict[str, Any] = {}
    problems: list[SettingsProblem] = []
    for key, file_key in files.items():
        path = values.get(file_key)
        if values.get(key) is not None and path is not None:
            problems.append(SettingsProblem((file_key,), f"conflicts with {key}: remove one of them"))
        elif isinstance(path, str | Path):
            secret = read_secret_file(Path(path))
            if isinstance(secret, Secret):
                secrets[key] = secret
            else:
                problems.append(SettingsProblem((file_key,), secret))
    return secrets, problems


# Variables are read in any case, have _ for a hyphen, and __ between the parts of a key: other names would be ambiguous there.
NAME_PATTERN = r"^[a-z0-9]([_-]?[a-z0-9])*$"

TOP_LEVEL_KEYS = (*ClientTable.model_fields, "clients")  # Valid keys of a document.


def check_structure(values: Mapping[str, Any]) -> Iterator[SettingsProblem]:
    """Yield keys that do not exist, and values that should be tables. Other values are checked with each client."""
    yield from _unknown(values, (), TOP_LEVEL_KEYS)
    clients = values.get("clients", {})
    if not isinstance(clients, Mapping):
        yield SettingsProblem(("clients",), "expected a table for each client, such as [clients.berlin]")
        return
    for name, table in clients.items():
        if isinstance(name, str):
            yield from _check_client(("clients", name), table)
        else:
            yield SettingsProblem(("clients", str(name)), f"expected the name of a client as text, such as '{name}'")


def _check_client(path: KeyPath, table: object) -> Iterator[SettingsProblem]:
    if not re.fullmatch(NAME_PATTERN, path[-1]):
        yield SettingsProblem(
            path,
            "expected a client name of lower-case letters and digits, with single hyphens or underscores between them, such as "
            "acme-corp",
        )
    if isinstance(table, Mapping):
        yield from _unknown(table, path, KEYS[()])
    else:
        yield SettingsProblem(path, f"expected a table with the settings of this client{did_you_mean(path[-1], KEYS[()])}")


def _unknown(table: Mapping[str, Any], path: KeyPath, valid: tuple[str, ...]) -> Iterator[SettingsProblem]:
    return (unknown_key((*path, str(key)), valid) for key in table if key not in valid)
