from __future__ import annotations

import contextvars
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prio_middleware.asgi import PrioMiddleware, ReadyApp
from prio_middleware.errors import (
    BudgetExceededError,
    ConfigurationError,
    ForeignOriginError,
    PrioError,
    TokenEndpointUnavailableError,
    TokenError,
)
from prio_middleware.sandbox import Sandbox
from prio_middleware.settings import Settings
from tests.web.helpers import BERLIN, NOWHERE, PRODUCTS, WRONG_SECRET, nowhere, settings_for

pytestmark = pytest.mark.anyio

Handler = Callable[[Request], Awaitable[Response]]
RAN_OUT = TokenEndpointUnavailableError("The token endpoint is down.", client="shop", retry_after=7.2)


async def get(app: ASGIApp, path: str = "/", method: str = "GET") -> httpx.Response:
    """Return the response, as a server would send it. An error of the application is raised."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example") as browser:
        return await browser.request(method, path)


def shop(handler: Handler, settings: Settings | None = None, **options: Any) -> Starlette:
    return Starlette(
        routes=[Route("/", handler)], middleware=[Middleware(PrioMiddleware, settings=settings or nowhere(), **options)]
    )


def raising(error: Exception) -> Handler:
    async def handler(request: Request) -> Response:
        raise error

    return handler


class TestClients:
    async def test_every_request_has_the_clients(self, sandbox: Sandbox, settings: Settings) -> None:
        async def products(request: Request) -> Response:
            state = request.state
            answers = [
                await state.prio.get(PRODUCTS),
                await state.prio_clients["berlin"].get(PRODUCTS),
                await anyio.to_thread.run_sync(state.prio_sync.get, PRODUCTS),
                await anyio.to_thread.run_sync(state.prio_sync_clients["berlin"].get, PRODUCTS),
            ]
            return JSONResponse([answer.status_code for answer in answers])

        app = shop(products, settings)
        assert (await get(app)).json() == [200, 200, 200, 200]
        assert (await get(app)).json() == [200, 200, 200, 200]
        assert sandbox.admin.counts().token_requests == 2

    async def test_a_mounted_application_without_lifespan_has_the_clients(self, settings: Settings) -> None:
        async def products(request: Request) -> Response:
            return Response(status_code=(await request.state.prio.get(PRODUCTS)).status_code)

        app = Starlette(routes=[Mount("/shop", app=shop(products, settings))])
        assert (await get(app, "/shop/")).status_code == 200

    async def test_the_environment_configures_the_clients(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        async def products(request: Request) -> Response:
            return Response(status_code=(await request.state.prio.get(PRODUCTS)).status_code)

        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        app = Starlette(routes=[Route("/", products)], middleware=[Middleware(PrioMiddleware)])
        assert (await get(app)).status_code == 200

    async def test_wrong_settings_are_an_error_at_the_first_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PRIO_CLIENT_ID", "shop@example.com")
        app = Starlette(middleware=[Middleware(PrioMiddleware)])
        with pytest.raises(ConfigurationError):
            await get(app)

    async def test_without_a_default_client_there_are_only_named_ones(self) -> None:
        async def names(request: Request) -> Response:
            return JSONResponse([sorted(request.state.prio_clients), hasattr(request.state, "prio")])

        settings = Settings.from_values(base_url="https://api.example", ca_file=NOWHERE["ca_file"], clients=BERLIN)
        assert (await get(shop(names, settings))).json() == [["berlin"], False]


class TestState:
    async def test_what_others_put_there_stays_and_is_seen_outside(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            assert scope["state"]["before"] == 1
            scope["state"]["user"] = "ada"

        scope: Scope = {"type": "http", "state": {"before": 1}}
        await PrioMiddleware(app, nowhere())(scope, unused, unused)
        assert scope["state"]["user"] == "ada"

    async def test_a_server_without_state_is_no_obstacle(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            assert scope["state"]["prio"]

        await PrioMiddleware(app, nowhere())({"type": "http"}, unused, unused)

    async def test_context_variables_that_the_application_sets_reach_outside(self) -> None:
        user = contextvars.ContextVar("user", default="nobody")

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            user.set("ada")

        await PrioMiddleware(app, nowhere())({"type": "http"}, unused, unused)
        assert user.get() == "ada"

    async def test_other_kinds_of_scope_are_left_alone(self) -> None:
        seen: list[Scope] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope)

        await PrioMiddleware(app, nowhere())({"type": "telepathy"}, unused, unused)
        assert seen == [{"type": "telepathy"}]


class TestTokenFailures:
    async def test_a_token_failure_becomes_503_with_retry_after_and_no_detail(self, caplog: pytest.LogCaptureFixture) -> None:
        answer = await get(shop(raising(RAN_OUT)))
        assert (answer.status_code, answer.headers["retry-after"], answer.text) == (503, "8", "Service Unavailable\n")
        ((logger, level, message),) = caplog.record_tuples
        assert (logger, level) == ("prio_middleware", logging.WARNING)
        assert str(RAN_OUT) in message

    async def test_the_answer_to_head_has_no_body(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/":
                raise RAN_OUT
            await ReadyApp()(scope, receive, send)

        for path in ("/", "/ready"):
            answer = await get(PrioMiddleware(app, nowhere()), path, "HEAD")
            assert answer.content == b""
            assert int(answer.headers["content-length"]) > 0

    async def test_a_failure_raised_by_a_client_becomes_503(self, sandbox: Sandbox) -> None:
        async def products(request: Request) -> Response:
            await request.state.prio.get(PRODUCTS)
            raise AssertionError

        answer = await get(shop(products, settings_for(sandbox, client_secret=WRONG_SECRET)))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")

    async def test_retry_after_is_in_whole_seconds(self, subtests: pytest.Subtests) -> None:
        for retry_after, announced in [(None, "30"), (0.0, "1"), (0.4, "1"), (1.0, "1"), (59.01, "60")]:
            with subtests.test(str(retry_after)):
                error = TokenError("No.", retry_after=retry_after)
                assert (await get(shop(raising(error), retry_after=30))).headers["retry-after"] == announced

    async def test_a_spent_budget_becomes_503(self) -> None:
        error = BudgetExceededError("Spent.", retry_after=41.5)
        assert (await get(shop(raising(error)))).headers["retry-after"] == "42"
        assert (await get(shop(raising(ExceptionGroup("tasks", [error, RAN_OUT]))))).headers["retry-after"] == "42"

    @pytest.mark.parametrize(("lets_pass", "status"), [(True, 503), (False, 502)])
    async def test_a_handler_for_the_librarys_errors_is_nearer_and_may_let_it_pass(self, lets_pass: bool, status: int) -> None:
        def unreachable(request: Request, error: Exception) -> Response:
            if lets_pass and isinstance(error, TokenError):
                raise error
            return Response(status_code=502)

        async def products(request: Request) -> Response:
            return Response((await request.state.prio.get(PRODUCTS)).content)

        app = Starlette(
            routes=[Route("/", products)],
            middleware=[Middleware(PrioMiddleware, settings=nowhere())],
            exception_handlers={httpx.TransportError: unreachable},
        )
        assert (await get(app)).status_code == status

    async def test_a_group_of_token_failures_becomes_503(self) -> None:
        sooner, later = TokenError("No."), TokenError("No.", retry_after=3)
        group = ExceptionGroup("tasks", [sooner, ExceptionGroup("more", [later])])
        assert (await get(shop(raising(group)))).headers["retry-after"] == "3"

    async def test_a_token_failure_in_a_task_group_becomes_503(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fail)
                await anyio.sleep_forever()

        async def fail() -> None:
            raise RAN_OUT

        assert (await get(PrioMiddleware(app, nowhere()))).status_code == 503

    async def test_any_other_error_is_the_applications_own(self, subtests: pytest.Subtests) -> None:
        for error in (
            ForeignOriginError("Not there."),
            ConfigurationError("Not so."),
            ValueError("Not that."),
            ExceptionGroup("tasks", [RAN_OUT, ValueError("Not that.")]),
            ExceptionGroup("tasks", [ValueError("Not that.")]),
        ):
            with subtests.test(repr(error)):
                with pytest.raises(type(error)) as caught:
                    await get(shop(raising(error)))
                assert caught.value is error

    async def test_once_the_answer_has_begun_the_error_is_raised(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await PlainTextResponse("half")(scope, receive, send)
            raise RAN_OUT

        with pytest.raises(TokenEndpointUnavailableError) as caught:
            await get(PrioMiddleware(app, nowhere()))
        assert caught.value is RAN_OUT

    async def test_the_applications_own_handler_comes_first(self) -> None:
        async def teapot(request: Request, error: Exception) -> Response:
            return PlainTextResponse("later", 418)

        app = shop(raising(RAN_OUT))
        app.add_exception_handler(PrioError, teapot)
        assert (await get(app)).status_code == 418


class TestWebsockets:
    REFUSAL = ("websocket.close", 1013)

    async def converse(self, app: ASGIApp, *heard: Message) -> list[tuple[str, int | None]]:
        """Return the messages that a websocket client gets."""
        incoming, said = iter(heard), []

        async def receive() -> Message:
            return next(incoming)

        async def send(message: Message) -> None:
            said.append((message["type"], message.get("code")))

        await PrioMiddleware(app, nowhere())({"type": "websocket"}, receive, send)
        return said

    async def test_a_failure_before_it_is_accepted_closes_it(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            assert scope["state"]["prio"]
            raise RAN_OUT

        assert await self.converse(app) == [self.REFUSAL]

    async def test_a_failure_after_it_was_accepted_closes_it(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "websocket.accept"})
            raise RAN_OUT

        assert await self.converse(app, {"type": "websocket.connect"}) == [("websocket.accept", None), self.REFUSAL]

    async def test_a_failure_after_it_was_closed_is_raised(self, subtests: pytest.Subtests) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": last})
            raise RAN_OUT

        for last in ("websocket.close", "websocket.http.response.start"):
            with subtests.test(last), pytest.raises(TokenEndpointUnavailableError):
                await self.converse(app)

    async def test_a_failure_after_the_client_has_gone_is_raised(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            raise RAN_OUT

        with pytest.raises(TokenEndpointUnavailableError):
            await self.converse(app, {"type": "websocket.disconnect"})


class TestReadiness:
    async def test_readiness_is_served_inside_the_middleware(self) -> None:
        app = Starlette(routes=[Route("/ready", ReadyApp())], middleware=[Middleware(PrioMiddleware, settings=nowhere())])
        answer = await get(app, "/ready")
        assert (answer.status_code, answer.json()["ready"]) == (200, True)

    async def test_elsewhere_the_error_says_what_to_add(self) -> None:
        with pytest.raises(ConfigurationError, match=r"app\.add_middleware\(PrioMiddleware\)"):
            await get(ReadyApp())


async def unused(*_: object) -> Any:
    raise AssertionError
