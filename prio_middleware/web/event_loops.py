"""Async clients of each event loop. Their connections belong to the loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import anyio
from anyio.lowlevel import current_token

from ..settings import Settings
from ..transports.routes import transport_of
from .clients import Account, NamedClients, listen, open_client

if TYPE_CHECKING:
    import httpx


class LoopClients(NamedClients["httpx.AsyncClient"]):
    """Configured async clients of one event loop by name, opened on first use: of httpx or httpx2, as ``library`` says."""

    def __init__(self, settings: Settings, account: Account | None = None) -> None:
        super().__init__(settings, account)
        self._opened: dict[str, httpx.AsyncClient] = {}

    def __getitem__(self, name: str) -> httpx.AsyncClient:
        client = self._opened.get(name)
        if client is None:
            listen(self.settings.client(name))
            client = self._opened.setdefault(name, open_client(self.settings, name, self._account, "async_client"))
        return client

    async def start_fetch(self, name: str) -> None:
        """Start a fetch in a task of its own, unless the client has a token, is cooling down or is fetching."""
        await transport_of(self[name]).start_fetch()

    async def aclose(self) -> None:
        """Close the open clients, even if the task is cancelled."""
        with anyio.CancelScope(shield=True):
            while self._opened:
                await self._opened.popitem()[1].aclose()


# Objects with open clients. They are kept alive, because trio warns of generators that the garbage collector ends.
_in_use: set[AsyncClients] = set()


class _Kept(NamedTuple):
    clients: LoopClients
    keeper: AsyncGenerator[None]


class AsyncClients:
    """Async clients of each event loop, with the arguments of :class:`Clients`.

    They are closed by :meth:`aclose`, or when their loop ends.
    """

    def __init__(self, settings: Settings | None = None, account: Account | None = None) -> None:
        self.settings = settings or Settings()
        self._account = account
        self._kept: dict[object, _Kept] = {}

    def here(self) -> LoopClients:
        """Return the clients of the running event loop."""
        loop = current_token().native_token
        kept = self._kept.get(loop)
        return self._keep(loop) if kept is None else kept.clients

    async def aclose(self) -> None:
        """Close the clients of the running event loop. Later uses open new ones."""
        kept = self._kept.get(current_token().native_token)
        if kept:
            await kept.keeper.aclose()

    def forget_closed_loops(self) -> None:
        """Forget the clients of loops that were closed without closing their generators, unlike ``asyncio.run``."""
        for loop in list(self._kept):
            if getattr(loop, "is_closed", bool)():
                self._forget(loop)

    def _keep(self, loop: object) -> LoopClients:
        for others in list(_in_use):
            others.forget_closed_loops()
        clients = LoopClients(self.settings, self._account)
        keeper = self._close_at_the_end_of(loop, clients)
        with suppress(StopIteration):  # The coroutine returns at the yield.
            keeper.__anext__().send(None)
        self._kept[loop] = _Kept(clients, keeper)
        _in_use.add(self)
        return clients

    async def _close_at_the_end_of(self, loop: object, clients: LoopClients) -> AsyncGenerator[None]:
        # asyncio and trio close open asynchronous generators when their loop ends (PEP 525).
        try:
            yield
        finally:
            self._forget(loop)
            await clients.aclose()

    def _forget(self, loop: object) -> None:
        self._kept.pop(loop, None)
        if not self._kept:
            _in_use.discard(self)
