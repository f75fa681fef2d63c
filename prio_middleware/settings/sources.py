"""Sources of settings: arguments, variables, ``.env``, TOML and secret files. Each becomes a layer."""

from __future__ import annotations

import io
import logging
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .._util.did_you_mean import nearest
from .._util.secret import Secret
from ..telemetry.logs import log
from .client import TOP_LEVEL_KEYS, check_structure
from .files import FileText, is_pipe, os_reason, read_secret_file, read_text
from .layers import CREDENTIALS, KeyPath, Layer, Table, variable

SIZE_LIMIT = 1024 * 1024  # Maximum size of a settings file in bytes.
# Arguments and variables that name another source. They have no effect in a source that is read after the one they name.
SOURCE_KEYS = ("config", "env_file", "secrets_dir")
_PREFIX = "prio_"
_SENT = (CREDENTIALS | {"token_headers"}) - {"client_id", "key_id"}  # Carried by requests, or the files of such credentials.

# Variables that Kubernetes, or a Docker link, sets for a service whose name begins with prio-:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE = re.compile(r".+_service_host|.+_service_port(_[a-z0-9_]+)?|.+_port_[0-9]+_(tcp|udp|sctp)(_(proto|port|addr))?")
_SERVICE_PORT = re.compile(r".+_port")
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")

# Other programs' variables may begin with PRIO_ too, and are ignored. A variable this similar to a setting is a misspelling.
_MISSPELT = 0.8


@dataclass(slots=True)
class Sources:
    """The sources read so far, by a process in ``directory``."""

    directory: Path
    named: dict[str, Path] = field(default_factory=dict)  # Paths of other sources, by the key that named them.
    named_by: dict[Path, str] = field(default_factory=dict)  # The argument or variable that named a source, by its path.
    layers: list[Layer] = field(default_factory=list)  # Topmost first.
    wrong: list[str] = field(default_factory=list)  # Problems of the sources themselves.
    ignored: list[str] = field(default_factory=list)  # Variables that begin with PRIO_ but are not settings.
    empty: list[str] = field(default_factory=list)  # Variables without a value. `PRIO_X: ${X}` in a Compose file makes such.
    writers: dict[str, str] = field(default_factory=dict)  # Sentences about who else can write a file, by its path.

    def add(self, layer: Layer, directory: Path | None = None) -> None:
        """Add a layer below the others. Its file names are relative to ``directory``."""
        self.wrong += [f"{layer.spell(problem.path)}: {problem.text}" for problem in check_structure(layer.values)]
        self.layers.append(replace(layer, values=absolute_paths(layer.values, directory or self.directory)))

    def add_arguments(self, values: Table) -> None:
        """Add arguments below the other layers. An argument that is None counts as not given."""
        given = _without_none(values)
        layer = Layer("", "argument", {key: value for key, value in given.items() if key not in SOURCE_KEYS})
        self._name_sources(given, layer)
        self.add(layer)

    def add_variables(self, variables: Mapping[str, str | None], source: str = "") -> None:
        """Add variables below the other layers: ``PRIO_...``, in any case, with ``__`` between the parts of a nested key.

        Variables without a value, and those that Kubernetes sets for a service, are ignored.
        """
        lower = {name.lower(): value for name, value in variables.items() if value is not None}
        ours = {
            name.removeprefix(_PREFIX): value
            for name, value in lower.items()
            if name.startswith(_PREFIX)
            and not (_SERVICE.fullmatch(name) or (_SERVICE_PORT.fullmatch(name) and _SERVICE_URL.match(value)))
        }
        unset = [tuple(name.split("__")) for name, value in ours.items() if not value]
        self.empty += [variable(path) for path in unset if path[0] in (*TOP_LEVEL_KEYS, *SOURCE_KEYS)]
        ours = {name: value for name, value in ours.items() if value}
        layer = Layer(source, "variable", _document(ours))
        self._name_sources(ours, layer)
        for name in ours:
            if name not in SOURCE_KEYS and not layer.has(path := tuple(name.split("__"))):
                if meant := nearest(path[0], (*TOP_LEVEL_KEYS, *SOURCE_KEYS), _MISSPELT):
                    self.wrong.append(f"{layer.spell(path)}: no such variable; did you mean {variable((meant,))!r}?")
                else:
                    self.ignored.append(variable(path))
        self.add(layer)

    def add_dotenv(self, path: Path) -> None:
        """Add the variables of a ``.env`` file below the other layers, without interpolation: a secret may contain ``${``."""
        from dotenv import dotenv_values  # Most processes have no such file.

        text = self._text(path)
        self.add_variables(dotenv_values(stream=io.StringIO(text), interpolate=False), self._short(path))

    def add_toml(self, path: Path) -> None:
        """Add a TOML file below the other layers; of a ``pyproject.toml``, its table ``[tool.prio_middleware]``."""
        try:
            table: object = tomllib.loads(self._text(path))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            self.wrong.append(f"{self._called(path)}: expected TOML: {error}")
            return
        for key in ("tool", "prio_middleware") if path.name == "pyproject.toml" else ():
            table = table.get(key, {}) if isinstance(table, Mapping) else {}
        if isinstance(table, Mapping):
            self.add(Layer(self._short(path), "table", table), path.parent)
        else:
            self.wrong.append(f"{self._called(path)}: tool.prio_middleware: expected a table")

    def add_secrets(self, path: Path) -> None:
        """Add a directory of secret files below the other layers. Each has a variable's name, in any case, and its value."""
        try:
            files = [file for file in sorted(path.iterdir()) if is_file_or_pipe(file) and file.name.lower().startswith(_PREFIX)]
        except OSError as error:
            self.wrong.append(f"{self._called(path)} {os_reason(error)}; expected a directory of secret files")
            return
        secrets = {file.name: read_secret_file(file) for file in files}
        self.wrong += [secret for secret in secrets.values() if isinstance(secret, str)]
        variables = {name: secret.reveal() for name, secret in secrets.items() if isinstance(secret, Secret)}
        self.add_variables(variables, self._short(path))

    def match_clients(self) -> None:
        """Give the clients of variables, which cannot contain hyphens, the names that the other sources use."""
        names: dict[str, str] = {}
        for layer in self.layers:
            clients = layer.values.get("clients")
            for name in clients if layer.spelling != "variable" and isinstance(clients, Mapping) else ():
                other = names.setdefault(str(name).replace("-", "_"), name)
                if other != name:
                    self.wrong.append(f"clients: {other!r} and {name!r} have the same variables; rename one of them")
        for place, layer in enumerate(self.layers):
            if layer.spelling == "variable" and isinstance(clients := layer.values.get("clients"), Mapping):
                renamed = {names.get(name, name): table for name, table in clients.items()}
                self.layers[place] = replace(layer, values={**layer.values, "clients": renamed})

    def check_writers(self) -> None:
        """Check each file that was found without being named, and that others can write: could they redirect credentials?

        Refuse such a file, or warn if only its group can write it.

        It decides where credentials of another source are sent, or by a ``*_file`` key where they are read from. A file that
        holds all credentials itself is accepted.
        """
        for layer in self.layers:
            writable = self.writers.get(layer.source)
            names_sources = any(name.endswith(f" in {layer.source}") for name in self.named_by.values())
            if writable is None or not (layer.values or names_sources):
                continue
            decided = (
                other.spell(path)
                for other in self.layers
                for path in _credential_paths(other.values)
                if other is not layer or path[-1].endswith("_file")
            )
            credentials = next(decided, None)
            if credentials is None:
                continue
            key = "PRIO_ENV_FILE" if layer.spelling == "variable" else "PRIO_CONFIG"
            text = f"and it can send the credentials of {credentials} elsewhere"
            remedy = f"let only the user that runs this program, or root, own and write it; or name it in {key} to trust it"
            if writable == _GROUP:
                message = "%s is writable by its group, %s: %s."
                log(logging.WARNING, message, layer.source, text, remedy, event="writable_settings_file")
            else:
                self.wrong.append(f"{layer.source}: {writable}, {text}: {remedy}")

    def _name_sources(self, values: Table, layer: Layer) -> None:
        for key in SOURCE_KEYS:
            match values.get(key):
                case str() | Path() as path:
                    whole = self.named.setdefault(key, self.directory / path)
                    self.named_by.setdefault(whole, layer.spell((key,)))
                case None:
                    pass
                case _:
                    self.wrong.append(f"{layer.spell((key,))}: expected a file name")

    def _text(self, path: Path) -> str:
        found = read_text(path, SIZE_LIMIT)
        if isinstance(found, FileText):
            if path not in self.named_by and (who := _other_writers(path, found)):
                self.writers[self._short(path)] = who
            return found.text
        self.wrong.append(f"{self._called(path)} {found}")
        return ""

    def _called(self, path: Path) -> str:
        """Return the source's path, prefixed by the argument or variable that named it."""
        by = self.named_by.get(path)
        return f"{by}: {self._short(path)}" if by else self._short(path)

    def _short(self, path: Path) -> str:
        return str(path.relative_to(self.directory) if path.is_relative_to(self.directory) else path)


def absolute_paths(table: Table, directory: Path) -> dict[str, Any]:
    """Return the table with its paths, the keys that end in ``_file``, made absolute. So are those of clients and the store."""
    absolute = dict(table)
    for key, value in table.items():
        if str(key).endswith("_file") and isinstance(value, str | Path):
            absolute[key] = directory / os.path.expanduser(value)  # noqa: PTH111 - Path.expanduser raises for an unknown user
    if isinstance(store := table.get("token_store"), Mapping):
        absolute["token_store"] = absolute_paths(store, directory)
    if isinstance(clients := table.get("clients"), Mapping):
        absolute["clients"] = {
            name: absolute_paths(client, directory) if isinstance(client, Mapping) else client
            for name, client in clients.items()
        }
    return absolute


_GROUP = "its group can write this file"


def _other_writers(path: Path, file: FileText) -> str | None:
    """Describe the other users that can write the file, except root. None without any, or if files have no owners here."""
    if not hasattr(os, "geteuid"):
        return None
    if not {file.owner, path.lstat().st_uid} <= {0, os.geteuid()}:
        return "another user owns this file"
    if file.mode & stat.S_IWOTH:
        return "every user can write this file"
    return _GROUP if file.mode & stat.S_IWGRP else None


def _credential_paths(table: Table) -> Iterator[KeyPath]:
    yield from ((key,) for key in table if key in _SENT)
    clients = table.get("clients")
    for name, client in clients.items() if isinstance(clients, Mapping) else ():
        if isinstance(client, Mapping):
            yield from (("clients", name, key) for key in client if key in _SENT)


def _document(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings among the variables, which are in lower case and without the prefix."""
    if any("__" in name for name in variables):
        from .document import nested  # It takes as long to import as all other settings.

        return nested(variables)
    return {key: variables[key] for key in TOP_LEVEL_KEYS if key in variables}


def is_file_or_pipe(path: Path) -> bool:
    """Return True for a file or a named pipe. Some password managers provide pipes."""
    return path.is_file() or is_pipe(path)


def _without_none(values: Table) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value for key, value in values.items() if value is not None
    }
