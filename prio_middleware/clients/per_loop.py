"""Async clients: one of each for an event loop, because their connections do not outlive it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import anyio
from anyio.lowlevel import current_token

from ..settings import Settings
from .opening import listen, open_async_client

if TYPE_CHECKING:
    import httpx


class LoopClients(Collection[str]):
    """The configured async clients of one event loop by name, each opened when it is first asked for.

    With the setting ``library = "httpx2"`` they are clients of httpx2.

    Args:
        settings: of the clients.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._opened: dict[str, httpx.AsyncClient] = {}

    def __getitem__(self, name: str) -> httpx.AsyncClient:
        """The client called ``name``.

        Raises:
            ConfigurationError: there is none of that name, or it cannot be made.
        """
        client = self._opened.get(name)
        return self._open(name) if client is None else client

    def __contains__(self, name: object) -> bool:
        return name in self.settings.clients

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings.clients)

    def __len__(self) -> int:
        return len(self.settings.clients)

    def open(self) -> None:
        """Open all of them now. Any thread may do that: there is no connection yet.

        Raises:
            ConfigurationError: one cannot be made.
        """
        for name in self:
            self[name]

    async def aclose(self) -> None:
        """Close those that are open, even where the task is cancelled."""
        with anyio.CancelScope(shield=True):
            while self._opened:
                await self._opened.popitem()[1].aclose()

    def _open(self, name: str) -> httpx.AsyncClient:
        settings = self.settings.client(name)
        listen(settings)
        return self._opened.setdefault(name, open_async_client(settings))


_in_use: set[AsyncClients] = set()
"""Those with open clients. They are kept alive: trio complains of generators that the garbage collector ends."""


class _Kept(NamedTuple):
    clients: LoopClients
    keeper: AsyncGenerator[None]


class AsyncClients:
    """The async clients of each event loop that asks. They are closed when their loop ends, if :meth:`aclose` has not.

    Args:
        settings: of the clients.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._kept: dict[object, _Kept] = {}

    def here(self) -> LoopClients:
        """Those of the running event loop."""
        loop = current_token().native_token
        kept = self._kept.get(loop)
        return self._keep(loop) if kept is None else kept.clients

    async def aclose(self) -> None:
        """Close those of the running event loop. The next one that is asked for is a new one."""
        kept = self._kept.get(current_token().native_token)
        if kept:
            await kept.keeper.aclose()

    def forget_closed_loops(self) -> None:
        """Forget the clients of loops that were closed without closing their generators, as ``asyncio.run`` would have."""
        for loop in list(self._kept):
            if getattr(loop, "is_closed", bool)():
                self._forget(loop)

    def _keep(self, loop: object) -> LoopClients:
        for others in list(_in_use):
            others.forget_closed_loops()
        clients = LoopClients(self.settings)
        keeper = self._close_at_the_end_of(loop, clients)
        with suppress(StopIteration):  # That is how a coroutine returns: run up to the yield.
            keeper.__anext__().send(None)
        self._kept[loop] = _Kept(clients, keeper)
        _in_use.add(self)
        return clients

    async def _close_at_the_end_of(self, loop: object, clients: LoopClients) -> AsyncGenerator[None]:
        # asyncio and trio close the asynchronous generators that are still open when their loop ends (PEP 525).
        try:
            yield
        finally:
            self._forget(loop)
            await clients.aclose()

    def _forget(self, loop: object) -> None:
        self._kept.pop(loop, None)
        if not self._kept:
            _in_use.discard(self)
