"""From the sources to the clients: which layers there are, which clients they describe, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigurationError
from .client import ClientSettings, fill
from .layers import CREDENTIALS, Table, inherit, merge
from .problems import Problem, configuration_error
from .provenance import provenance, where
from .sources import Sources


class Loaded(NamedTuple):
    """Every client by name, and for each where its values came from."""

    clients: Mapping[str, ClientSettings]
    provenance: Mapping[str, Mapping[str, str]]


def read_arguments(arguments: Table, directory: Path) -> Sources:
    """The arguments alone."""
    sources = Sources(directory)
    sources.add_arguments(arguments)
    return sources


def read_everything(arguments: Table, environ: Mapping[str, str], directory: Path) -> Sources:
    """Every source there is, in order of precedence."""
    sources = read_arguments(arguments, directory)
    sources.add_variables(environ)
    if dotenv := sources.named.get("env_file") or _first(Path.is_file, directory / ".env"):
        sources.add_dotenv(dotenv)
    if config := sources.named.get("config") or _first(Path.exists, directory / "prio.toml", directory / "pyproject.toml"):
        sources.add_toml(config)
    if secrets := sources.named.get("secrets_dir"):
        sources.add_secrets(secrets)
    return sources


def load(sources: Sources) -> Loaded | ConfigurationError:
    """The clients that the sources describe, or everything that is wrong, as an error to be raised."""
    if sources.wrong:
        return configuration_error(sources.wrong)
    clients: dict[str, ClientSettings] = {}
    problems: list[tuple[str, Problem]] = []
    tables = client_tables(merge(layer.values for layer in sources.layers))
    for name, table in tables.items():
        clients[name] = ClientSettings.__new__(ClientSettings)
        problems += [(name, problem) for problem in fill(clients[name], {**table, "name": name})]
    if problems:
        return _error(sources, problems)
    return Loaded(clients, {name: provenance(sources.layers, name, table) for name, table in tables.items()})


def _error(sources: Sources, problems: list[tuple[str, Problem]]) -> ConfigurationError:
    lines = [f"{where(sources.layers, name, problem.path)}: {problem.text}" for name, problem in problems]
    if sources.ignored and any(problem.missing for _, problem in problems):
        lines.append(f"set, but no settings of ours: {', '.join(sources.ignored)}")
    names = {name for name, _ in problems}
    return configuration_error(lines, names.pop() if len(names) == 1 else None)


def client_tables(merged: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each client's table. The default client is there if the top level has credentials, or no client is named."""
    named: Mapping[str, Table] = merged.get("clients", {})
    top_level = {key: value for key, value in merged.items() if key != "clients"}
    has_default = "default" in named or not named or not CREDENTIALS.isdisjoint(top_level)
    tables = {"default": named.get("default", {})} if has_default else {}
    return {name: inherit(table, top_level, name) for name, table in {**tables, **named}.items()}


def _first(accept: Callable[[Path], bool], *paths: Path) -> Path | None:
    return next(filter(accept, paths), None)
