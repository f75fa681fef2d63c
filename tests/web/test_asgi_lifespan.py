from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio.from_thread
import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prio_middleware import ConfigurationError, CredentialsRefusedError
from prio_middleware.asgi import PrioMiddleware
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from tests.web.helpers import WRONG_SECRET, accounts_asked_for, nowhere, settings_for

pytestmark = pytest.mark.anyio

STARTED, STOPPED = "lifespan.startup.complete", "lifespan.shutdown.complete"
NOT_STARTED = "lifespan.startup.failed"


class Server:
    """Plays a server's part in a lifespan: starts the application, serves some requests, stops it."""

    def __init__(self, app: ASGIApp, requests: int = 0) -> None:
        self._app = app
        self._requests = requests
        self.state: dict[str, Any] = {"pool": "warm"}
        self._heard = iter(["lifespan.startup", "lifespan.shutdown"])
        self.said: list[Message] = []

    async def run(self) -> list[str]:
        """Return the messages of the application."""
        await self._app({"type": "lifespan", "state": self.state}, self.receive, self.send)
        return [message["type"] for message in self.said]

    async def receive(self) -> Message:
        if self.said and self.said[-1]["type"] == STARTED:
            for _ in range(self._requests):
                await self._app({"type": "http", "state": self.state}, self.receive, self.send)
        return {"type": next(self._heard)}

    async def send(self, message: Message) -> None:
        self.said.append(message)


class Opened:
    """The sync and async clients that were made during a test. ``then`` is called after each.

    A client with a ``base_url`` comes from this library. The HTTP library's own is made first, without one, for its transports.
    """

    def __init__(self) -> None:
        self.clients: list[httpx.AsyncClient | httpx.Client] = []
        self.then: Callable[[], None] = lambda: None


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    opened = Opened()

    def noting(make: Callable[..., None]) -> Callable[..., None]:
        def make_and_note(client: httpx.AsyncClient | httpx.Client, **options: Any) -> None:
            make(client, **options)
            if "base_url" in options:
                opened.clients.append(client)
                opened.then()

        return make_and_note

    monkeypatch.setattr(httpx.AsyncClient, "__init__", noting(httpx.AsyncClient.__init__))
    monkeypatch.setattr(httpx.Client, "__init__", noting(httpx.Client.__init__))
    return opened


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

    async def test_clients_are_closed_before_the_server_may_stop_the_loop(self) -> None:
        clients: list[httpx.AsyncClient | httpx.Client] = []
        closed: dict[str, list[bool]] = {}

        class Watching(Server):
            async def send(self, message: Message) -> None:
                closed[message["type"]] = [client.is_closed for client in clients]
                await super().send(message)

        await Watching(PrioMiddleware(recording(clients), nowhere()), requests=1).run()
        assert closed == {STARTED: [], STOPPED: [True, True]}

    async def test_a_server_that_makes_no_copy_of_its_state_keeps_it_clean(self) -> None:
        server = Server(PrioMiddleware(recording([]), nowhere()), requests=1)
        await server.run()
        assert server.state == {"pool": "warm"}

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

    async def test_an_unreported_failure_is_raised_to_the_server(self) -> None:
        async def speechless(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            raise RuntimeError("The database is down.")

        server = Server(PrioMiddleware(speechless, nowhere()))
        with pytest.raises(RuntimeError, match="database"):
            await server.run()
        assert server.said == []


class TestOddEnds:
    """Ends that no server answers: under Starlette's TestClient and a real server, each is heard, and none is waited for."""

    async def test_a_failure_that_is_only_reported_is_raised(self, subtests: pytest.Subtests) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            if at == "shutdown":
                await send({"type": STARTED})
                await receive()
            await send({"type": f"lifespan.{at}.failed", "message": "The database is down."})
            if afterwards == "waits":
                await receive()
            elif afterwards == "waits in a task group":
                async with anyio.create_task_group():
                    await receive()

        for at, afterwards in itertools.product(("startup", "shutdown"), ("returns", "waits", "waits in a task group")):
            with subtests.test(at, afterwards=afterwards):
                server = Server(PrioMiddleware(app, nowhere()))
                with pytest.raises(RuntimeError, match=rf"{at} failed: The database is down\."):
                    await server.run()
                assert server.said[-1]["type"] == f"lifespan.{at}.failed"

    async def test_what_is_raised_after_it_goes_before(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": NOT_STARTED})
            raise LookupError("The database is gone.")

        with pytest.raises(LookupError):
            await Server(PrioMiddleware(app, nowhere())).run()

    async def test_an_application_that_waits_after_its_last_message_has_ended(self) -> None:
        async def loops(scope: Scope, receive: Receive, send: Send) -> None:
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})

        assert await Server(PrioMiddleware(loops, nowhere())).run() == [STARTED, STOPPED]

    async def test_a_shutdown_that_the_application_does_not_answer_is_answered(self) -> None:
        async def taciturn(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": STARTED})
            await receive()

        assert await Server(PrioMiddleware(taciturn, nowhere())).run() == [STARTED, STOPPED]

    @pytest.mark.parametrize("when", ["starting", "running"])
    async def test_a_cancelled_lifespan_closes_its_clients(self, when: str, opened: Opened) -> None:
        def cancel() -> None:
            if when == "starting" and len(opened.clients) == 1:
                anyio.from_thread.run_sync(scope.cancel)

        async def receive() -> Message:
            if opened.clients:
                if when == "running":
                    await app({"type": "http", "state": {}}, receive, send)
                scope.cancel()
                await anyio.sleep_forever()
            return {"type": "lifespan.startup"}

        async def send(message: Message) -> None:
            assert message["type"] == STARTED

        opened.then = cancel
        app = PrioMiddleware(forgetful, nowhere())
        with anyio.CancelScope() as scope:
            await app({"type": "lifespan"}, receive, send)
        assert scope.cancelled_caught
        # One for the check, and two for the request.
        assert [client.is_closed for client in opened.clients] == [True] * (1 if when == "starting" else 3)


class TestApplicationsWithoutLifespan:
    async def test_the_lifespan_of_an_application_without_one_is_answered(self, subtests: pytest.Subtests) -> None:
        for app in (deaf, forgetful, hasty):
            with subtests.test(app.__name__):
                assert await Server(PrioMiddleware(app, nowhere())).run() == [STARTED, STOPPED]

    async def test_the_error_of_an_application_without_lifespan_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        await Server(PrioMiddleware(deaf, nowhere())).run()
        (message,) = caplog.messages
        assert "no lifespan" in message
        assert "ValueError" in message


class TestStartup:
    async def test_wrong_settings_stop_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PRIO_CLIENT_ID", "shop@example.com")
        server = Server(PrioMiddleware(forgetful))
        with pytest.raises(ConfigurationError):
            await server.run()
        assert [message["type"] for message in server.said] == [NOT_STARTED]
        assert "client_secret" in server.said[0]["message"]

    async def test_a_client_that_cannot_be_made_stops_it(self, sandbox: Sandbox, tmp_path: Any) -> None:
        certificates = tmp_path / "ca.pem"
        certificates.write_text("nothing to see")
        server = Server(PrioMiddleware(forgetful, settings_for(sandbox, ca_file=certificates)))
        with pytest.raises(ConfigurationError):
            await server.run()
        assert [message["type"] for message in server.said] == [NOT_STARTED]

    async def test_any_error_of_the_creation_of_a_client_stops_the_start(self, opened: Opened) -> None:
        def fail() -> None:
            raise OSError("s3cret!@#")

        opened.then = fail
        server = Server(PrioMiddleware(forgetful, nowhere()))
        with pytest.raises(OSError, match="s3cret"):
            await server.run()
        ((kind, message),) = [(said["type"], said["message"]) for said in server.said]
        assert kind == NOT_STARTED
        assert "OSError" in message
        assert "s3cret" not in message

    async def test_what_was_opened_by_then_is_closed(self, sandbox: Sandbox, opened: Opened) -> None:
        with pytest.raises(CredentialsRefusedError):
            await Server(PrioMiddleware(forgetful, settings_for(sandbox, client_secret=WRONG_SECRET), warm_up=True)).run()
        assert opened.clients
        assert all(client.is_closed for client in opened.clients)

    @pytest.mark.pitfall(id="tls-context-per-client")
    async def test_the_start_opens_no_client_that_no_request_uses(self, opened: Opened) -> None:
        tenants = {f"tenant_{number}": {"client_id": f"t{number}", "client_secret": "s3cret!@#"} for number in range(5)}
        open_ones: list[int] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            open_ones.append(sum(not client.is_closed for client in opened.clients))
            if scope["type"] == "http":
                scope["state"]["prio_clients"]["tenant_3"]
                open_ones.append(sum(not client.is_closed for client in opened.clients))

        await Server(PrioMiddleware(app, nowhere(clients=tenants)), requests=1).run()
        assert open_ones == [0, 2, 3]  # Those of the default client are part of each request.

    async def test_without_warm_up_nothing_is_fetched(self, sandbox: Sandbox, settings: Settings) -> None:
        await Server(PrioMiddleware(forgetful, settings)).run()
        assert accounts_asked_for(sandbox) == {}

    async def test_warm_up_fetches_every_token(self, sandbox: Sandbox, settings: Settings) -> None:
        assert await Server(PrioMiddleware(forgetful, settings, warm_up=True)).run() == [STARTED, STOPPED]
        assert accounts_asked_for(sandbox) == {client.client_id: 1 for client in settings.clients.values()}

    async def test_warm_up_with_wrong_credentials_stops_it_and_says_what_to_do(self, sandbox: Sandbox) -> None:
        server = Server(PrioMiddleware(forgetful, settings_for(sandbox, client_secret=WRONG_SECRET), warm_up=True))
        with pytest.raises(CredentialsRefusedError):
            await server.run()
        assert [said["type"] for said in server.said] == [NOT_STARTED]
        message = server.said[0]["message"]
        assert sandbox.token_url in message
        assert "Check client id, secret" in message
        assert WRONG_SECRET not in message

    async def test_warm_up_without_a_token_endpoint_does_not(self, caplog: pytest.LogCaptureFixture) -> None:
        assert await Server(PrioMiddleware(forgetful, nowhere(), warm_up=True)).run() == [STARTED, STOPPED]
        (warning,) = [
            record.getMessage() for record in caplog.records if vars(record).get("prio_event") == "started_without_token"
        ]
        assert "starts without a token" in warning
