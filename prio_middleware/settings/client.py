"""The settings of one client, complete: what the engine is built from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import BaseModel, Field, ValidationError

from ..secret import Secret
from .application import Application
from .budget import BudgetGuardTable
from .checks import check
from .connection import Connection
from .credentials import Credentials
from .pipeline import DeclaredPipeline
from .problems import KeyPath, Problem, configuration_error, read_problems
from .secret_files import read_secret_file
from .server import Server
from .token_requests import TokenRequests
from .token_store import Sharing, TokenStore


class ClientTable(DeclaredPipeline, Sharing, Connection, TokenRequests, Credentials, Server):
    """All that can be written about one client."""

    app: Application = Field(default_factory=Application)
    """The calling application, for the API's App-* headers."""


class ClientSettings(ClientTable):
    """The settings of one client, checked, with the preset's defaults filled in. They do not change.

    Two are equal when every value is, secrets included; they can be keys of a dictionary. Secrets are masked wherever they are
    shown or dumped; pickling is refused.

    Raises:
        ConfigurationError: settings that are missing, misspelt, contradictory or of the wrong kind; all of them in one error.
    """

    name: str = "default"
    """The client's name: ``default``, or the key of its table under ``clients``."""

    def __init__(self, **values: Any) -> None:
        problems = fill(self, values)
        del self, values  # crash reporters print the locals of this frame
        if problems:
            raise configuration_error(f"{'.'.join(problem.path)}: {problem.text}" for problem in problems)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        del value  # pydantic's own error would hold it
        raise TypeError(f"Settings do not change: make new ones to give {name} another value.")


KEYS: Mapping[KeyPath, tuple[str, ...]] = {
    (): tuple(ClientTable.model_fields),
    ("app",): tuple(Application.model_fields),
    ("token_store",): tuple(TokenStore.model_fields),
    ("budget_guard",): tuple(BudgetGuardTable.model_fields),
}
"""The valid keys of a client's tables."""

SECRET_FILES: dict[str, str] = {"client_secret": "client_secret_file", "private_key": "private_key_file"}
"""Secrets, and the settings that name their files."""

STORE_SECRET_FILES: Mapping[str, str] = {"encryption_key": "encryption_key_file"}
"""The same of the token store's table."""


def fill(client: ClientSettings, values: Mapping[str, Any]) -> list[Problem]:
    """Give a new, blank client its values. Returns what is wrong with them."""
    secrets, problems = _read_secret_files(values, SECRET_FILES)
    if isinstance(store := values.get("token_store"), Mapping):
        keys, wrong = _read_secret_files(store, STORE_SECRET_FILES)
        secrets["token_store"] = {**store, **keys}
        problems += [problem._replace(path=("token_store", *problem.path)) for problem in wrong]
    try:
        BaseModel.__init__(client, **{**values, **secrets})
    except ValidationError as error:
        return [*problems, *read_problems(error, KEYS)]
    return problems or list(check(client))


def _read_secret_files(values: Mapping[str, Any], files: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    secrets: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, file_key in files.items():
        path = values.get(file_key)
        if values.get(key) is not None and path is not None:
            problems.append(Problem((file_key,), f"{key} is given too: keep one of them"))
        elif isinstance(path, str | Path):
            secret = read_secret_file(Path(path))
            if isinstance(secret, Secret):
                secrets[key] = secret
            else:
                problems.append(Problem((file_key,), secret))
    return secrets, problems
