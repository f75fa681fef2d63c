"""The sources of settings. Each becomes a layer; what cannot be read, or makes no sense, becomes a line of the error."""

from __future__ import annotations

import io
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic_settings import EnvSettingsSource

from ..nearest import nearest
from ..secret import Secret
from .document import TOP_LEVEL_KEYS, Document, check_structure
from .files import FileText, os_reason, read_text
from .layers import Layer, Table, variable
from .problems import KeyPath
from .secret_files import read_secret_file

SIZE_LIMIT = 1024 * 1024
"""Bytes that a settings file may have."""

SOURCE_KEYS = ("config", "env_file", "secrets_dir")
"""What names another source: an argument, or a variable of the environment or of ``.env``."""

_PREFIX = "prio_"

_TABLES_WITH_PATHS = {"token_store": ("encryption_key_file", "ca_file")}

_PATH_KEYS = ("client_secret_file", "private_key_file", "ca_file", "cert_file", "cert_key_file")

# Other programs' variables may begin with PRIO_ too and are left alone. One this near to ours is a slip of the pen.
_SLIP = 0.8


@dataclass(slots=True)
class Sources:
    """What was read so far.

    Attributes:
        directory: where relative file names start.
        named: the other sources that were named, by their key.
        layers: topmost first.
        wrong: what is wrong with the sources themselves.
        ignored: variables that begin like ours, and are not.
    """

    directory: Path
    named: dict[str, Path] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def add(self, layer: Layer, directory: Path | None = None) -> None:
        """Put a layer below the others. Its file names are relative to ``directory``."""
        self.wrong += [f"{layer.spell(problem.path)}: {problem.text}" for problem in check_structure(layer.values)]
        values = anchored(layer.values, directory or self.directory)
        self.layers.append(Layer(layer.source, layer.spelling, values))

    def add_arguments(self, values: Table) -> None:
        """Put arguments below the others. None stands for one that is not given."""
        given = _without_none(values)
        self._name_sources(given)
        self.add(Layer("", "argument", {key: value for key, value in given.items() if key not in SOURCE_KEYS}))

    def add_variables(self, variables: Mapping[str, str | None], source: str = "") -> None:
        """Put variables below the others: ``PRIO_...``, in any case, with ``__`` between the parts of a nested key."""
        lower = {name.lower(): value for name, value in variables.items() if value is not None}
        ours = {name.removeprefix(_PREFIX): value for name, value in lower.items() if name.startswith(_PREFIX)}
        self._name_sources(ours)
        layer = Layer(source, "variable", _nested(ours))
        for name in ours:
            if name not in SOURCE_KEYS and not layer.has(path := tuple(name.split("__"))):
                self._stray(path, layer)
        self.add(layer)

    def add_dotenv(self, path: Path) -> None:
        """Put the variables of a ``.env`` file below the others. Values are taken as they stand: a secret may hold ``${``."""
        text = self._text(path)
        self.add_variables(dotenv_values(stream=io.StringIO(text), interpolate=False), self._short(path))

    def add_toml(self, path: Path) -> None:
        """Put a TOML file below the others; of a ``pyproject.toml``, its table ``[tool.prio_middleware]``."""
        try:
            table: object = tomllib.loads(self._text(path))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            self.wrong.append(f"{self._short(path)}: expected TOML: {error}")
            return
        for key in ("tool", "prio_middleware") if path.name == "pyproject.toml" else ():
            table = table.get(key, {}) if isinstance(table, Mapping) else {}
        if isinstance(table, Mapping):
            self.add(Layer(self._short(path), "table", table), path.parent)
        else:
            self.wrong.append(f"{self._short(path)}: tool.prio_middleware: expected a table")

    def add_secrets(self, path: Path) -> None:
        """Put a directory of secret files below the others. Each is named like a variable, in any case, and holds its value."""
        try:
            files = [file for file in sorted(path.iterdir()) if file.is_file() and file.name.lower().startswith(_PREFIX)]
        except OSError as error:
            self.wrong.append(f"{path} {os_reason(error)}; expected a directory of secret files")
            return
        secrets = {file.name: read_secret_file(file) for file in files}
        self.wrong += [secret for secret in secrets.values() if isinstance(secret, str)]
        variables = {name: secret.reveal() for name, secret in secrets.items() if isinstance(secret, Secret)}
        self.add_variables(variables, self._short(path))

    def _name_sources(self, values: Table) -> None:
        for key in SOURCE_KEYS:
            match values.get(key):
                case str() | Path() as path:
                    self.named.setdefault(key, self.directory / path)
                case None:
                    pass
                case _:
                    self.wrong.append(f"argument {key}: expected a file name")

    def _text(self, path: Path) -> str:
        found = read_text(path, SIZE_LIMIT)
        if isinstance(found, FileText):
            return found.text
        self.wrong.append(f"{self._short(path)} {found}")
        return ""

    def _short(self, path: Path) -> str:
        return str(path.relative_to(self.directory) if path.is_relative_to(self.directory) else path)

    def _stray(self, path: KeyPath, layer: Layer) -> None:
        meant = nearest(path[0], (*TOP_LEVEL_KEYS, *SOURCE_KEYS), _SLIP)
        if meant:
            self.wrong.append(f"{layer.spell(path)}: no such variable; did you mean {variable((meant,))!r}?")
        else:
            self.ignored.append(variable(path))


def anchored(table: Table, directory: Path, path_keys: tuple[str, ...] = _PATH_KEYS) -> dict[str, Any]:
    """The table with its file names, and those of its clients, made absolute: they are relative to where they were written."""
    absolute = dict(table)
    for key in path_keys:
        if isinstance(path := table.get(key), str | Path):
            absolute[key] = directory / os.path.expanduser(path)  # noqa: PTH111 - Path.expanduser raises for an unknown user
    for key, within in _TABLES_WITH_PATHS.items():
        if isinstance(inner := table.get(key), Mapping):
            absolute[key] = anchored(inner, directory, within)
    if isinstance(clients := table.get("clients"), Mapping):
        absolute["clients"] = {
            name: anchored(client, directory) if isinstance(client, Mapping) else client for name, client in clients.items()
        }
    return absolute


def _nested(variables: Mapping[str, str]) -> dict[str, Any]:
    reader = EnvSettingsSource(Document)
    reader.env_vars = {f"{_PREFIX}{name}": value for name, value in variables.items()}
    return reader()


def _without_none(values: Table) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value for key, value in values.items() if value is not None
    }
