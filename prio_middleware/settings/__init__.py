"""Settings of clients, read from arguments, the environment, ``.env``, TOML and secret files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, Self

from .._util.did_you_mean import did_you_mean
from ..errors import ConfigurationError
from .client import ClientSettings
from .loading import Loaded, load, read_arguments, read_everything
from .models import Application

__all__ = ["Application", "ClientSettings", "Settings"]


class Settings:
    """Settings of every configured client.

    Sources, in order of precedence:

    1. arguments: the settings of the client ``default``, and ``clients`` for named ones;
    2. environment variables: ``PRIO_CLIENT_ID``, ``PRIO_CLIENTS__BERLIN__CLIENT_ID``;
    3. the same variables in ``.env``, or in the file that ``env_file`` names;
    4. ``prio.toml``, or ``[tool.prio_middleware]`` in ``pyproject.toml``, or the file that ``config`` names;
    5. files named like the variables, in the directory that ``secrets_dir`` names.

    ``config``, ``env_file`` and ``secrets_dir`` are arguments or variables (``PRIO_CONFIG``). Files are searched for in the
    working directory. Relative paths in a TOML file are resolved against its directory, all others against the working
    directory. Empty variables, and those that Kubernetes sets for a service, are ignored. A key that does not exist is an
    error, and so is a variable whose name resembles that of a setting. Any other ``PRIO_...`` variable is ignored.

    A key of a higher source removes keys with the same meaning from lower sources: ``base_url`` removes ``environment`` and
    ``version``; ``environment`` removes ``base_url``, ``token_url`` and ``discovery``; ``token_url`` and ``discovery = true``
    remove each other; secrets and their files remove each other.

    Named clients inherit the top level's settings, except for the credentials: each client has its own.

    Args:
        **values: settings of :class:`ClientSettings` by their names, ``clients``, and the names of the sources.

    Raises:
        ConfigurationError: a source cannot be read or has unknown keys, and the error lists all such problems; or else settings
            are missing, contradictory, of the wrong type or without effect, and the error lists all of these.
    """

    __slots__ = ("_loaded",)

    def __init__(self, **values: Any) -> None:
        loaded = load(read_everything(values, os.environ, Path.cwd()))
        del values  # Crash reporters print the locals of this frame.
        self._loaded = _or_raise(loaded)

    @classmethod
    def from_values(cls, **values: Any) -> Self:
        """Return settings from arguments alone. The environment and files are not read, except for secret files they name.

        Raises:
            ConfigurationError: as :class:`Settings` does.
        """
        loaded = load(read_arguments(values, Path.cwd()))
        del values  # Crash reporters print the locals of this frame.
        self = cls.__new__(cls)
        self._loaded = _or_raise(loaded)
        return self

    @property
    def clients(self) -> Mapping[str, ClientSettings]:
        """Settings of each client by its name."""
        return MappingProxyType(self._loaded.clients)

    def client(self, name: str | None = None) -> ClientSettings:
        """Return the settings of one client, by default of the client ``default``.

        Raises:
            ConfigurationError: there is no client of that name.
        """
        known, name = self._loaded.clients, name or "default"
        if name not in known:
            raise ConfigurationError(
                f"There is no client {name!r}{did_you_mean(name, known) or '.'}",
                remedy=f"Use a configured client ({', '.join(known)}), or configure this one.",
            )
        return known[name]

    def provenance(self, name: str | None = None) -> Mapping[str, str]:
        """Return the source of each setting that is not a default: ``PRIO_SCOPE``, ``prio.toml: scope``.

        Raises:
            ConfigurationError: there is no client of that name.
        """
        return MappingProxyType(self._loaded.provenance[self.client(name).name])

    def __eq__(self, other: object) -> bool:
        return self._loaded.clients == other._loaded.clients if isinstance(other, Settings) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._loaded.clients.items()))

    def __repr__(self) -> str:
        # Crash reporters also print an object whose settings could not be loaded.
        return f"<Settings of {', '.join(self._loaded.clients)}>" if hasattr(self, "_loaded") else "<Settings, not loaded>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "Settings cannot be pickled: the pickle would contain clear secrets. Load them where they are used: Settings()."
        )


def _or_raise(loaded: Loaded | ConfigurationError) -> Loaded:
    if isinstance(loaded, ConfigurationError):
        raise loaded
    return loaded
