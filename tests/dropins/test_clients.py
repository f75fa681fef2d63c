from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import httpx2
import pytest
import trio

from prio_middleware.clients import AsyncClients, Clients, LoopClients, per_process
from prio_middleware.clients.opening import open_client
from prio_middleware.errors import ConfigurationError
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import ClientSettings, Settings
from tests.dropins.kit import PRODUCTS, nowhere, settings_for

OFFLINE = {"berlin": {"client_id": "berlin", "client_secret": "s3cret"}}


@pytest.fixture
def offline() -> Settings:
    """Clients that are made, and not used."""
    return nowhere(clients=OFFLINE)


class TestSync:
    def test_threads_share_one_client_of_each_name(self, offline: Settings) -> None:
        clients = Clients(offline)
        with ThreadPoolExecutor(16) as threads:
            found = set(threads.map(lambda _: clients["default"], range(200)))
        assert found == {clients["default"]}
        assert clients["berlin"] is not clients["default"]

    def test_a_thread_that_was_slower_leaves_no_client_behind(self, offline: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        clients, slower = Clients(offline), []

        def overtaken(settings: ClientSettings) -> httpx.Client:
            monkeypatch.undo()
            slower.append(open_client(settings))
            assert clients["default"] is not slower[0]
            return slower[0]

        monkeypatch.setattr(per_process, "open_client", overtaken)
        faster = clients["default"]
        assert slower[0].is_closed
        assert not faster.is_closed

    def test_closed_ones_are_replaced(self, offline: Settings) -> None:
        clients = Clients(offline)
        clients.open()
        before = [clients[name] for name in clients]
        clients.close()
        assert [client.is_closed for client in before] == [True, True]
        assert not clients["default"].is_closed

    def test_they_are_closed_when_nobody_has_them_any_more(self, offline: Settings) -> None:
        clients = Clients(offline)
        client = clients["default"]
        del clients
        gc.collect()
        assert client.is_closed

    def test_they_call_with_a_token(self, sandbox: Sandbox, settings: Settings) -> None:
        clients = Clients(settings)
        assert [clients[name].get(PRODUCTS).status_code for name in clients] == [200, 200]
        assert sandbox.admin.counts().token_requests == 2


class TestAsync:
    pytestmark = pytest.mark.anyio

    async def test_an_event_loop_has_one_client_of_each_name(self, offline: Settings) -> None:
        clients = AsyncClients(offline)
        assert clients.here() is clients.here()
        assert clients.here()["default"] is clients.here()["default"]
        assert clients.here()["default"] is not clients.here()["berlin"]

    async def test_closed_ones_are_replaced(self, offline: Settings) -> None:
        clients = AsyncClients(offline)
        clients.here().open()
        before = [clients.here()[name] for name in clients.here()]
        await clients.aclose()
        assert [client.is_closed for client in before] == [True, True]
        assert not clients.here()["default"].is_closed

    async def test_closing_what_was_not_opened_is_fine(self, offline: Settings) -> None:
        clients = AsyncClients(offline)
        await clients.aclose()
        assert not clients.here()["default"].is_closed

    async def test_they_are_closed_even_in_a_cancelled_task(self, offline: Settings) -> None:
        clients = AsyncClients(offline)
        client = clients.here()["default"]
        with anyio.CancelScope() as scope:
            scope.cancel()
            await clients.aclose()
        assert client.is_closed

    async def test_they_call_with_a_token(self, sandbox: Sandbox, settings: Settings) -> None:
        clients = AsyncClients(settings)
        assert [(await clients.here()[name].get(PRODUCTS)).status_code for name in clients.here()] == [200, 200]
        assert sandbox.admin.counts().token_requests == 2


class TestEventLoops:
    @pytest.mark.pitfall(id="ended-event-loop")
    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_each_has_clients_of_its_own_and_closes_them_when_it_ends(self, settings: Settings, backend: str) -> None:
        clients = AsyncClients(settings)

        async def call() -> httpx.AsyncClient:
            client = clients.here()["default"]
            assert (await client.get(PRODUCTS)).status_code == 200
            assert not client.is_closed
            return client

        first, second = anyio.run(call, backend=backend), anyio.run(call, backend=backend)
        assert first is not second
        assert first.is_closed
        assert second.is_closed

    @pytest.mark.pitfall(id="ended-event-loop")
    def test_two_at_once_do_not_share(self, offline: Settings) -> None:
        clients, together = AsyncClients(offline), threading.Barrier(2)

        async def look() -> LoopClients:
            here = clients.here()
            together.wait()
            return here

        with ThreadPoolExecutor(2) as threads:
            mine, other = threads.map(lambda run: run(look), [anyio.run, trio.run])
        assert mine is not other

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_whoever_drops_them_leaves_them_to_their_loop(self, offline: Settings, backend: str) -> None:
        async def drop() -> httpx.AsyncClient:
            client = AsyncClients(offline).here()["default"]
            gc.collect()
            assert not client.is_closed
            return client

        assert anyio.run(drop, backend=backend).is_closed

    def test_one_that_was_closed_without_ceremony_is_forgotten(self, offline: Settings) -> None:
        clients = AsyncClients(offline)

        async def look() -> LoopClients:
            return clients.here()

        loop = asyncio.new_event_loop()
        loop.run_until_complete(look())
        loop.close()
        asyncio.run(look())
        assert clients._kept == {}


@pytest.mark.parametrize("kind", [Clients, LoopClients])
class TestNames:
    def test_they_are_those_of_the_settings(self, offline: Settings, kind: type[Clients | LoopClients]) -> None:
        clients: Collection[str] = kind(offline)
        assert list(clients) == ["default", "berlin"]
        assert len(clients) == 2
        assert "berlin" in clients
        assert "paris" not in clients

    def test_another_one_is_an_error_that_says_which_is_meant(
        self, offline: Settings, kind: type[Clients | LoopClients]
    ) -> None:
        with pytest.raises(ConfigurationError, match="did you mean 'berlin'"):
            kind(offline)["berlim"]


class TestLibraries:
    @pytest.mark.parametrize(("library", "expected"), [("httpx", httpx.Client), ("httpx2", httpx2.Client)])
    def test_the_settings_choose(self, library: str, expected: type) -> None:
        assert type(Clients(nowhere(library=library))["default"]) is expected

    @pytest.mark.parametrize("library", ["httpx", "httpx2"])
    def test_sync_and_async_clients_share_one_token(self, sandbox: Sandbox, library: str) -> None:
        settings = settings_for(sandbox, library=library)
        on_threads, on_loops = Clients(settings), AsyncClients(settings)

        async def call() -> int:
            return (await on_loops.here()["default"].get(PRODUCTS)).status_code

        assert on_threads["default"].get(PRODUCTS).status_code == 200
        assert anyio.run(call) == 200
        assert sandbox.admin.counts().token_requests == 1

    @pytest.mark.parametrize(
        ("missing", "changes", "message"),
        [
            ("prio_middleware.httpx2", {"library": "httpx2"}, r"httpx2"),
            ("socksio", {"proxy": "socks5://127.0.0.1:1"}, r"'socksio' package is not installed"),
        ],
    )
    def test_one_that_is_not_installed_is_an_error(
        self, monkeypatch: pytest.MonkeyPatch, missing: str, changes: dict[str, object], message: str
    ) -> None:
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(ConfigurationError, match=message) as caught:
            Clients(nowhere(**changes))["default"]
        assert "Install what is missing" in str(caught.value)
        assert caught.value.__context__ is None
