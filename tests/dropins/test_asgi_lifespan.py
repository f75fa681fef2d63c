from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prio_middleware.asgi import PrioMiddleware
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from tests.dropins.kit import WRONG_SECRET, accounts_asked_for, nowhere, settings_for

pytestmark = pytest.mark.anyio

STARTED, STOPPED = "lifespan.startup.complete", "lifespan.shutdown.complete"
NOT_STARTED = "lifespan.startup.failed"


class Server:
    """Plays a server's part in a lifespan: starts the application, serves some requests, stops it."""

    def __init__(self, app: ASGIApp, requests: int = 0) -> None:
        self._app = app
        self._requests = requests
        self._state: dict[str, Any] = {"pool": "warm"}
        self._heard = iter(["lifespan.startup", "lifespan.shutdown"])
        self.said: list[Message] = []

    async def run(self) -> list[str]:
        """What the application said."""
        await self._app({"type": "lifespan", "state": self._state}, self._receive, self._send)
        return [message["type"] for message in self.said]

    async def _receive(self) -> Message:
        if self.said and self.said[-1]["type"] == STARTED:
            for _ in range(self._requests):
                await self._app({"type": "http", "state": self._state}, self._receive, self._send)
        return {"type": next(self._heard)}

    async def _send(self, message: Message) -> None:
        self.said.append(message)


def recording(inside: list[httpx.AsyncClient | httpx.Client], lifespan: Any = None) -> ASGIApp:
    """An application that notes the clients that its requests are given."""
    starlette = Starlette(lifespan=lifespan)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await starlette(scope, receive, send)
        else:
            inside.extend([scope["state"]["prio"], scope["state"]["prio_sync"]])

    return app


async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
    """As Django does."""
    raise ValueError(f"Only HTTP, not {scope['type']}.")


async def forgetful(scope: Scope, receive: Receive, send: Send) -> None:
    """Knows nothing of it, but is polite."""


async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
    """Does not wait to be shut down."""
    await receive()
    await send({"type": STARTED})


class TestOpeningAndClosing:
    async def test_the_clients_live_as_long_as_the_application(self) -> None:
        seen: list[Any] = []

        @contextlib.asynccontextmanager
        async def lifespan(app: Starlette) -> AsyncGenerator[None]:
            yield
            seen.append([client.is_closed for client in seen])

        assert await Server(PrioMiddleware(recording(seen, lifespan), nowhere()), requests=2).run() == [STARTED, STOPPED]
        first, first_sync, second, second_sync, closed_before_the_end = seen
        assert first is second
        assert first_sync is second_sync
        assert closed_before_the_end == [False] * 4
        assert first.is_closed
        assert first_sync.is_closed

    async def test_they_are_closed_before_the_server_may_stop_the_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[Any] = []
        server = Server(PrioMiddleware(recording(seen), nowhere()), requests=1)

        async def send(message: Message) -> None:
            seen.append((message["type"], [client.is_closed for client in seen if hasattr(client, "is_closed")]))
            server.said.append(message)

        monkeypatch.setattr(server, "_send", send)
        await server.run()
        assert seen[-1] == (STOPPED, [True, True])

    async def test_a_server_that_makes_no_copy_of_its_state_keeps_it_clean(self) -> None:
        server = Server(PrioMiddleware(recording([]), nowhere()), requests=1)
        await server.run()
        assert server._state == {"pool": "warm"}

    async def test_a_failure_of_the_application_is_its_own(self) -> None:
        class Lifespan:
            def __init__(self, app: Starlette) -> None: ...

            async def __aenter__(self) -> None:
                raise RuntimeError("The database is down.")

            async def __aexit__(self, *_: object) -> None: ...

        server = Server(PrioMiddleware(recording([], Lifespan), nowhere()))
        with pytest.raises(RuntimeError, match="database"):
            await server.run()
        assert [message["type"] for message in server.said] == [NOT_STARTED]

    async def test_what_it_makes_of_a_failure_without_a_word_is_the_servers_affair(self) -> None:
        async def speechless(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            raise RuntimeError("The database is down.")

        server = Server(PrioMiddleware(speechless, nowhere()))
        with pytest.raises(RuntimeError, match="database"):
            await server.run()
        assert server.said == []


class TestApplicationsWithoutLifespan:
    @pytest.mark.parametrize("app", [deaf, forgetful, hasty])
    async def test_it_is_answered_for_them(self, app: ASGIApp) -> None:
        assert await Server(PrioMiddleware(app, nowhere())).run() == [STARTED, STOPPED]

    async def test_what_they_raised_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        await Server(PrioMiddleware(deaf, nowhere())).run()
        assert "The application has no lifespan of its own: it raised ValueError." in caplog.messages


class TestStartup:
    async def test_wrong_settings_stop_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PRIO_CLIENT_ID", "shop@example.com")
        server = Server(PrioMiddleware(forgetful))
        assert await server.run() == [NOT_STARTED]
        assert "client_secret" in server.said[0]["message"]

    async def test_a_client_that_cannot_be_made_stops_it(self, sandbox: Sandbox, tmp_path: Any) -> None:
        certificates = tmp_path / "ca.pem"
        certificates.write_text("nothing to see")
        assert await Server(PrioMiddleware(forgetful, settings_for(sandbox, ca_file=certificates))).run() == [NOT_STARTED]

    async def test_without_warm_up_nothing_is_fetched(self, sandbox: Sandbox, settings: Settings) -> None:
        await Server(PrioMiddleware(forgetful, settings)).run()
        assert accounts_asked_for(sandbox) == {}

    async def test_warm_up_fetches_every_token(self, sandbox: Sandbox, settings: Settings) -> None:
        assert await Server(PrioMiddleware(forgetful, settings, warm_up=True)).run() == [STARTED, STOPPED]
        assert accounts_asked_for(sandbox) == {client.client_id: 1 for client in settings.clients.values()}

    async def test_warm_up_with_wrong_credentials_stops_it_and_says_what_to_do(self, sandbox: Sandbox) -> None:
        server = Server(PrioMiddleware(forgetful, settings_for(sandbox, client_secret=WRONG_SECRET), warm_up=True))
        assert await server.run() == [NOT_STARTED]
        message = server.said[0]["message"]
        assert sandbox.token_url in message
        assert "Check client id, secret" in message
        assert WRONG_SECRET not in message

    async def test_warm_up_without_a_token_endpoint_does_not(self, caplog: pytest.LogCaptureFixture) -> None:
        assert await Server(PrioMiddleware(forgetful, nowhere(), warm_up=True)).run() == [STARTED, STOPPED]
        own = [record for record in caplog.records if not hasattr(record, "event")]
        assert [record.getMessage()[:38] for record in own] == ["The application starts without a token"]
