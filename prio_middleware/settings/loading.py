"""Loading of settings: merges the sources and checks the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigurationError
from .client import SECRET_FILES, ClientSettings, check_structure, fill
from .layers import CREDENTIALS, KeyPath, Layer, SettingsProblem, Table, configuration_error, inherit, inherits, merge
from .sources import Sources, is_file_or_pipe


def provenance(layers: Sequence[Layer], name: str, table: Table) -> Mapping[str, str]:
    """Return the source of every setting in a client's table. Dots join the keys of nested tables."""
    return {".".join(map(str, path)): source_of(layers, name, path) for path in sorted(_leaves(table))}


def source_of(layers: Sequence[Layer], name: str, path: KeyPath) -> str:
    """Return the source of a client's key, or the key itself if no source has it."""
    spelt = (layer.spell(place) for place in _places(name, path) for layer in layers if layer.has(place))
    prefix = "" if name == "default" else f"client {name!r}: "
    return next(spelt, None) or f"{prefix}{'.'.join(map(str, path))}"


def _places(name: str, path: KeyPath) -> Iterator[KeyPath]:
    """Yield the paths that a value may have in a document, the most specific first. Items of a list have the list's path."""
    tables: list[KeyPath] = [("clients", name), ()] if inherits(name, path[0]) else [("clients", name)]
    for length in range(len(path), 0, -1):
        for table in tables:
            yield (*table, *path[:length])
    if path[0] in SECRET_FILES:
        for table in tables:
            yield (*table, SECRET_FILES[path[0]])


def _leaves(table: Table) -> Iterator[KeyPath]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from ((str(key), *path) for path in _leaves(value))
        else:
            yield (str(key),)


class Loaded(NamedTuple):
    """Settings of every client, and the source of each value, both by the client's name."""

    clients: Mapping[str, ClientSettings]
    provenance: Mapping[str, Mapping[str, str]]


def read_arguments(arguments: Table, directory: Path) -> Sources:
    """Return the arguments as the only source."""
    sources = Sources(directory)
    sources.add_arguments(arguments)
    return sources


def read_everything(arguments: Table, environ: Mapping[str, str], directory: Path) -> Sources:
    """Read every source, in order of precedence."""
    sources = read_arguments(arguments, directory)
    sources.add_variables(environ)
    if dotenv := sources.named.get("env_file") or _first(is_file_or_pipe, directory / ".env"):
        sources.add_dotenv(dotenv)
    if config := sources.named.get("config") or _first(Path.exists, directory / "prio.toml", directory / "pyproject.toml"):
        sources.add_toml(config)
    if secrets := sources.named.get("secrets_dir"):
        sources.add_secrets(secrets)
    sources.match_clients()
    sources.check_writers()
    return sources


def declared_clients(sources: Sources) -> Mapping[str, Table]:
    """Return the table of each client that the sources declare, unchecked. Sources with unknown keys are left out."""
    return client_tables(merge(layer.values for layer in sources.layers if not any(check_structure(layer.values))))


def load(sources: Sources) -> Loaded | ConfigurationError:
    """Return the clients that the sources describe, or an error for the caller to raise.

    Problems of the sources themselves, such as unknown keys, are reported first and without the problems of the clients.
    """
    if sources.wrong:
        return configuration_error(sources.wrong)
    clients: dict[str, ClientSettings] = {}
    problems: list[tuple[str, SettingsProblem]] = []
    merged = merge(layer.values for layer in sources.layers)
    tables = client_tables(merged)
    for name, table in tables.items():
        clients[name] = ClientSettings.__new__(ClientSettings)
        own = table if _is_top_level(merged, name) else merged["clients"][name]
        problems += [(name, problem) for problem in fill(clients[name], {**table, "name": name}, own)]
    if problems:
        return _error(sources, problems)
    return Loaded(clients, {name: provenance(sources.layers, name, table) for name, table in tables.items()})


def _error(sources: Sources, problems: list[tuple[str, SettingsProblem]]) -> ConfigurationError:
    lines = [f"{source_of(sources.layers, name, problem.path)}: {problem.text}" for name, problem in problems]
    if sources.ignored and any(problem.missing for _, problem in problems):
        lines.append(f"set, but not settings of prio_middleware: {', '.join(sources.ignored)}")
    if sources.empty and any(problem.missing for _, problem in problems):
        lines.append(f"empty, and so ignored: {', '.join(dict.fromkeys(sources.empty))}")
    names = {name for name, _ in problems}
    return configuration_error(lines, names.pop() if len(names) == 1 else None)


def client_tables(merged: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each client's table. There is a default client if the top level has credentials, or no client is named."""
    named: Mapping[str, Table] = merged.get("clients", {})
    tables = {"default": named.get("default", {})} if "default" in named or _is_top_level(merged, "default") else {}
    return {name: inherit(table, _top_level(merged), name) for name, table in {**tables, **named}.items()}


def _is_top_level(merged: Mapping[str, Any], name: str) -> bool:
    """Return True if the top level is the table of this client. Named clients only inherit from it."""
    return name == "default" and (not merged.get("clients") or not CREDENTIALS.isdisjoint(_top_level(merged)))


def _top_level(merged: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in merged.items() if key != "clients"}


def _first(accept: Callable[[Path], bool], *paths: Path) -> Path | None:
    return next(filter(accept, paths), None)
