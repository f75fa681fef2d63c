from __future__ import annotations

import asyncio
import gc
import importlib
import json
import sys
import threading
import weakref
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import anyio
import httpx
import httpx2
import pytest
import trio

from prio_middleware.errors import ConfigurationError
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from prio_middleware.transports.base import mark_all_inherited
from prio_middleware.web.clients import Clients
from prio_middleware.web.event_loops import AsyncClients, LoopClients
from tests.web.helpers import BERLIN, NOWHERE, PRODUCTS, nowhere, settings_for


@pytest.fixture
def offline() -> Settings:
    """Settings of clients that are made, and not used."""
    return nowhere(clients=BERLIN)


@pytest.fixture
def offline_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of a client by variables."""
    for name in ("base_url", "client_id", "client_secret"):
        monkeypatch.setenv(f"PRIO_{name.upper()}", NOWHERE[name])


class TestSync:
    def test_threads_share_one_client_of_each_name(self, offline: Settings) -> None:
        clients = Clients(offline)
        with ThreadPoolExecutor(16) as threads:
            found = set(threads.map(lambda _: clients["default"], range(200)))
        assert found == {clients["default"]}
        assert clients["berlin"] is not clients["default"]

    def test_a_thread_that_was_slower_leaves_no_client_behind(self, offline: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        clients, slower, make = Clients(offline), list[httpx.Client](), httpx.Client.__init__

        def overtaken(client: httpx.Client, **options: Any) -> None:
            make(client, **options)
            if "base_url" in options:  # The library's own client is made first, for the sake of its transports.
                monkeypatch.undo()
                slower.append(client)
                assert clients["default"] is not client

        monkeypatch.setattr(httpx.Client, "__init__", overtaken)
        faster = clients["default"]
        assert slower[0].is_closed
        assert not faster.is_closed

    def test_closed_ones_are_replaced(self, offline: Settings) -> None:
        clients = Clients(offline)
        before = [clients[name] for name in clients]
        clients.close()
        assert [client.is_closed for client in before] == [True, True]
        assert not clients["default"].is_closed

    def test_unreferenced_clients_are_closed(self, offline: Settings) -> None:
        clients = Clients(offline)
        client = clients["default"]
        del clients
        gc.collect()
        assert client.is_closed

    def test_clients_call_with_a_token(self, sandbox: Sandbox, settings: Settings) -> None:
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
        before = [clients.here()[name] for name in clients.here()]
        await clients.aclose()
        assert [client.is_closed for client in before] == [True, True]
        assert not clients.here()["default"].is_closed

    async def test_closing_what_was_not_opened_is_fine(self, offline: Settings) -> None:
        clients = AsyncClients(offline)
        await clients.aclose()
        assert not clients.here()["default"].is_closed

    async def test_clients_are_closed_even_in_a_cancelled_task(self, offline: Settings) -> None:
        clients = AsyncClients(offline)
        client = clients.here()["default"]
        with anyio.CancelScope() as scope:
            scope.cancel()
            await clients.aclose()
        assert client.is_closed

    async def test_clients_call_with_a_token(self, sandbox: Sandbox, settings: Settings) -> None:
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
    def test_dropped_clients_are_left_to_their_loop(self, offline: Settings, backend: str) -> None:
        async def drop() -> httpx.AsyncClient:
            client = AsyncClients(offline).here()["default"]
            gc.collect()
            assert not client.is_closed
            return client

        assert anyio.run(drop, backend=backend).is_closed

    def test_an_event_loop_that_was_closed_is_forgotten(self, offline: Settings) -> None:
        clients = AsyncClients(offline)

        async def look() -> weakref.ref[LoopClients]:
            return weakref.ref(clients.here())

        loop = asyncio.new_event_loop()
        kept = loop.run_until_complete(look())
        loop.close()
        gc.collect()
        assert kept() is not None
        asyncio.run(look())
        gc.collect()
        assert kept() is None


@pytest.mark.parametrize("kind", [Clients, LoopClients])
class TestNames:
    def test_client_names_are_those_of_the_settings(self, offline: Settings, kind: type[Clients | LoopClients]) -> None:
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
        ("missing", "setting", "value"),
        [("prio_middleware.httpx2", "library", "httpx2"), ("socksio", "proxy", "socks5://127.0.0.1:1")],
    )
    def test_a_library_that_is_not_installed_is_an_error(
        self, monkeypatch: pytest.MonkeyPatch, missing: str, setting: str, value: str
    ) -> None:
        monkeypatch.setitem(sys.modules, missing, None)
        with pytest.raises(ConfigurationError, match=missing) as caught:
            Clients(nowhere(**{setting: value}))["default"]
        assert setting in (caught.value.remedy or "")
        assert caught.value.__context__ is None


class Shop(BaseHTTPRequestHandler):
    """A token endpoint, and an API that sets a cookie and answers with those that it got."""

    def do_POST(self) -> None:
        self.answer({"access_token": "t0ken", "token_type": "Bearer"})

    def do_GET(self) -> None:
        self.answer({"cookie": self.headers["Cookie"]})

    def answer(self, document: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Set-Cookie", f"cart={self.path.strip('/')}; Path=/")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - a name of the base class
        return


@pytest.fixture(params=["httpx", "httpx2"])
def shop(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    server = HTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    url = f"http://127.0.0.1:{server.server_port}"
    names = {"client_id": "shop", "client_secret": "s3cret", "library": request.param, "trust_env": False}
    yield {"base_url": url, "loopback_http_hosts": ["127.0.0.1"], **names}
    server.shutdown()
    server.server_close()


class TestCookies:
    """Clients of an application serve all its users."""

    pytestmark = pytest.mark.anyio

    @pytest.mark.pitfall(id="shared-cookies")
    def test_a_user_does_not_get_the_cookies_of_another(self, shop: dict[str, Any]) -> None:
        clients = Clients(Settings.from_values(**shop))
        client = clients["default"]

        assert client.get("/anna").cookies == {"cart": "anna"}
        assert client.get("/berta").json() == {"cookie": None}
        assert client.get("/berta", headers={"Cookie": "cart=berta"}).json() == {"cookie": "cart=berta"}

    @pytest.mark.pitfall(id="shared-cookies")
    async def test_a_user_of_an_async_client_does_not_get_the_cookies_of_another(self, shop: dict[str, Any]) -> None:
        async with AsyncClients(Settings.from_values(**shop)).here()["default"] as client:
            assert (await client.get("/anna")).cookies == {"cart": "anna"}
            assert (await client.get("/berta")).json() == {"cookie": None}

    async def test_cookies_are_kept_if_the_settings_say_so(self, shop: dict[str, Any]) -> None:
        settings = Settings.from_values(**shop, keep_cookies=True)
        clients = Clients(settings)
        clients["default"].get("/anna")
        assert clients["default"].get("/berta").json() == {"cookie": "cart=anna"}
        async with AsyncClients(settings).here()["default"] as tasks:
            await tasks.get("/anna")
            assert (await tasks.get("/berta")).json() == {"cookie": "cart=anna"}

    def test_a_client_of_the_caller_keeps_cookies_as_the_library_does(self, shop: dict[str, Any]) -> None:
        module = importlib.import_module(f"prio_middleware.{shop['library']}")
        with module.client(settings=Settings.from_values(**shop)) as client:
            client.get("/anna")
            assert client.get("/berta").json() == {"cookie": "cart=anna"}


def test_without_settings_the_clients_are_those_of_the_environment(offline_environment: None) -> None:
    assert list(Clients()) == ["default"]
    assert list(AsyncClients().settings.clients) == ["default"]
    with pytest.raises(ConfigurationError):
        Clients()["berlin"]


@pytest.mark.pitfall(id="inherited-connections")
def test_a_client_with_connections_of_the_parent_process_warns_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    clients = Clients(settings)
    used, unused = clients["default"], clients["berlin"]
    used.get(PRODUCTS)
    mark_all_inherited()  # As the fork hook does in a child.
    for client in (used, used, unused):
        client.get(PRODUCTS)
    lines = [vars(record) for record in caplog.records if vars(record).get("prio_event") == "inherited_client"]
    assert [line["prio_client"] for line in lines] == ["default"]
    clients.close()
