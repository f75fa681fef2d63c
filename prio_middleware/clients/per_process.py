"""Sync clients: one of each for a process, shared by its threads."""

from __future__ import annotations

import os
import weakref
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Self

from ..settings import Settings
from .opening import listen, open_client
from .warm_up import check, fetch_tokens

if TYPE_CHECKING:
    import httpx


class Clients(Collection[str]):
    """The configured sync clients by name, each opened when it is first asked for.

    They are those of the process that asks: what it inherited by a fork it neither uses nor closes, because there are
    connections of its parent behind it. They are closed by :meth:`close`, when this object goes, or when the process exits.

    With the setting ``library = "httpx2"`` they are clients of httpx2.

    Args:
        settings: of the clients.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._opened: dict[int, dict[str, httpx.Client]] = {}
        weakref.finalize(self, _close, self._opened)

    @classmethod
    def checked(cls, settings: Settings, *, warm_up: bool = False) -> Self:
        """The same, after each client was made once on trial. No connection is opened that a fork would share.

        Args:
            settings: of the clients.
            warm_up: fetch a token for each client too.

        Raises:
            ConfigurationError: one cannot be made.
            TokenError: a token was refused.
        """
        failure = check(settings) or (fetch_tokens(settings) if warm_up else None)
        if failure:
            raise failure
        return cls(settings)

    def __getitem__(self, name: str) -> httpx.Client:
        """The client called ``name``.

        Raises:
            ConfigurationError: there is none of that name, or it cannot be made.
        """
        mine = self._opened.setdefault(os.getpid(), {})
        client = mine.get(name)
        return self._open(mine, name) if client is None else client

    def __contains__(self, name: object) -> bool:
        return name in self.settings.clients

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings.clients)

    def __len__(self) -> int:
        return len(self.settings.clients)

    def open(self) -> None:
        """Open all of them now.

        Raises:
            ConfigurationError: one cannot be made.
        """
        for name in self:
            self[name]

    def close(self) -> None:
        """Close those that are open in this process. The next one that is asked for is a new one."""
        _close(self._opened)

    def _open(self, mine: dict[str, httpx.Client], name: str) -> httpx.Client:
        settings = self.settings.client(name)
        made = open_client(settings)
        kept = mine.setdefault(name, made)
        if kept is not made:  # Another thread was faster.
            made.close()
        listen(settings)
        return kept


def _close(opened: dict[int, dict[str, httpx.Client]]) -> None:
    for client in opened.pop(os.getpid(), {}).values():
        client.close()
