"""Declarative settings: arguments, environment, ``.env``, TOML and secret files become the settings of clients."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, Self

from ..errors import ConfigurationError
from ..nearest import did_you_mean
from .application import Application
from .client import ClientSettings
from .loading import Loaded, load, read_arguments, read_everything

__all__ = ["Application", "ClientSettings", "Settings"]


class Settings:
    """The settings of every configured client.

    Sources, in order of precedence:

    1. arguments: the settings of the client ``default``, and ``clients`` for named ones;
    2. environment variables: ``PRIO_CLIENT_ID``, ``PRIO_CLIENTS__BERLIN__CLIENT_ID``;
    3. the same in ``.env``, or the file that ``env_file`` names;
    4. ``prio.toml``, or ``[tool.prio_middleware]`` in ``pyproject.toml``, or the file that ``config`` names;
    5. files named like the variables, in the directory that ``secrets_dir`` names.

    ``config``, ``env_file`` and ``secrets_dir`` are arguments or variables (``PRIO_CONFIG``). Files are looked for in the
    working directory; file names within a file are relative to it. A key that does not exist is an error, and so is a
    variable whose name is close to one of ours; any other ``PRIO_...`` variable is left alone.

    A key of a higher source does away with those of lower ones that say the same in another way: ``base_url`` with
    ``environment`` and ``version``, ``environment`` with ``base_url``, ``token_url`` and ``discovery``, the latter two with
    each other, and secrets and their files with each other.

    Named clients inherit the top level's settings, except for the credentials, which each has of its own.

    Args:
        **values: settings of :class:`ClientSettings` by their names, ``clients``, and the names of the sources.

    Raises:
        ConfigurationError: something is missing, misspelt, contradictory or cannot be read; all of it in one error.
    """

    __slots__ = ("_loaded",)

    def __init__(self, **values: Any) -> None:
        loaded = load(read_everything(values, os.environ, Path.cwd()))
        del values  # crash reporters print the locals of this frame
        self._loaded = _or_raise(loaded)

    @classmethod
    def from_values(cls, **values: Any) -> Self:
        """Settings from arguments alone: neither the environment nor any file has a say, but for secret files they name.

        Raises:
            ConfigurationError: as :class:`Settings` does.
        """
        loaded = load(read_arguments(values, Path.cwd()))
        del values  # crash reporters print the locals of this frame
        self = cls.__new__(cls)
        self._loaded = _or_raise(loaded)
        return self

    @property
    def clients(self) -> Mapping[str, ClientSettings]:
        """Every client by its name."""
        return MappingProxyType(self._loaded.clients)

    def client(self, name: str | None = None) -> ClientSettings:
        """The settings of one client; of the default one if no name is given.

        Raises:
            ConfigurationError: there is no client of that name.
        """
        found = self._loaded.clients.get(name or "default")
        if found is None:
            raise self._unknown(name or "default")
        return found

    def provenance(self, name: str | None = None) -> Mapping[str, str]:
        """Where each setting that was given came from: ``PRIO_SCOPE``, ``prio.toml: scope``. The others are defaults.

        Raises:
            ConfigurationError: there is no client of that name.
        """
        return MappingProxyType(self._loaded.provenance[self.client(name).name])

    def __eq__(self, other: object) -> bool:
        return self._loaded.clients == other._loaded.clients if isinstance(other, Settings) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._loaded.clients.items()))

    def __repr__(self) -> str:
        # A crash reporter prints those that could not be loaded, too.
        return f"<Settings of {', '.join(self._loaded.clients)}>" if hasattr(self, "_loaded") else "<Settings, not loaded>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "Settings cannot be pickled: the pickle would hold secrets in the clear. Load them where they are used: Settings()."
        )

    def _unknown(self, name: str) -> ConfigurationError:
        known = self._loaded.clients
        return ConfigurationError(
            f"No client is called {name!r}{did_you_mean(name, known) or '.'}",
            remedy=f"Ask for one that is configured ({', '.join(known)}), or configure it.",
        )


def _or_raise(loaded: Loaded | ConfigurationError) -> Loaded:
    if isinstance(loaded, ConfigurationError):
        raise loaded
    return loaded
