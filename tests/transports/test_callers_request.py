"""The caller's request stays unchanged: sent twice at once, through two clients, rejected, redirected, or failed."""

from __future__ import annotations

import copy
import inspect
import pickle
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.to_thread
import pytest

from prio_middleware import ApplicationInfo, HeaderInjector, HTTPSEnforcer, OriginGuard, Pipeline, StaticTokenProvider
from prio_middleware.build import pipeline_for
from prio_middleware.middleware.origin_guard import LEFT_ORIGIN
from prio_middleware.transports.routes import transport_of
from tests.transports.matrix import API, BASE, Caller, MatrixClient, Server, settings

pytestmark = pytest.mark.anyio

FOREIGN = "https://elsewhere.example/landing"
TIMEOUT = 10.0


class Gated:
    """Transport to ``server`` whose nth call sets ``arrived[n]`` and waits for ``released[n]``."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.requests: list[Any] = []
        self.arrived, self.released = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]

    def handle_request(self, request: Any) -> Any:
        self._arrive(request).wait(TIMEOUT)
        return self.server(request)

    async def handle_async_request(self, request: Any) -> Any:
        await wait_for(self._arrive(request))
        return self.server(request)

    def _arrive(self, request: Any) -> threading.Event:
        number = len(self.requests)
        self.requests.append(request)
        self.arrived[number].set()
        return self.released[number]


async def wait_for(event: threading.Event) -> None:
    assert await anyio.to_thread.run_sync(event.wait, TIMEOUT)


class Recorder:
    """Transport to ``server`` that keeps the requests that it gets."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.requests: list[Any] = []

    def handle_request(self, request: Any) -> Any:
        self.requests.append(request)
        return self.server(request)

    async def handle_async_request(self, request: Any) -> Any:
        return self.handle_request(request)


def client_of(matrix: MatrixClient, tenant: str, inner: Any, **options: Any) -> Caller:
    pipeline = Pipeline(
        [
            HTTPSEnforcer(),
            OriginGuard([BASE]),
            ApplicationInfo(name=tenant),
            StaticTokenProvider(f"token-of-{tenant}"),
            HeaderInjector(),
        ]
    )
    return matrix.caller(matrix.transport(inner, pipeline=pipeline), **options)


class Untouched:
    """Request of the caller, with the properties that must hold after all its calls."""

    def __init__(self, request: Any) -> None:
        self.request = request
        self._headers, self._raw, self._attributes = request.headers, list(request.headers.raw), dict(vars(request))
        self._extensions = dict(request.extensions)

    def check(self, *, marked: bool = False) -> None:
        request = self.request
        extensions = dict(request.extensions)
        assert isinstance(extensions.pop(LEFT_ORIGIN, None), str if marked else type(None))
        assert extensions == self._extensions
        assert request.headers is self._headers
        assert request.headers.raw == self._raw
        assert vars(request) == self._attributes
        assert copy.deepcopy(request.extensions) == pickle.loads(pickle.dumps(request.extensions)) == request.extensions
        for twin in (copy.copy(request), copy.deepcopy(request), pickle.loads(pickle.dumps(request))):
            assert (twin.method, twin.url, twin.headers.raw) == (request.method, request.url, self._raw)


def build(client: Caller, **options: Any) -> Untouched:
    return Untouched(client.client.build_request("POST", f"{BASE}/products", json={"a": 1}, headers={"x-own": "1"}, **options))


@pytest.mark.pitfall(id="request-sent-twice")
@pytest.mark.parametrize("tenants", [("berlin", "berlin"), ("berlin", "munich")])
async def test_one_request_sent_twice_at_once_carries_each_client_s_own_token_and_keeps_none(
    matrix: MatrixClient, server: Server, tenants: tuple[str, str]
) -> None:
    inner = Gated(server)
    first, second = (client_of(matrix, tenant, inner) for tenant in tenants)
    own = build(first)
    responses: list[Any] = []

    async def send(client: Caller) -> None:
        responses.append(await client.send(own.request))
        inner.released[1].set()  # The first call is over before the second.

    async with anyio.create_task_group() as group:
        group.start_soon(send, first)
        await wait_for(inner.arrived[0])
        group.start_soon(send, second)
        await wait_for(inner.arrived[1])
        own.check()
        inner.released[0].set()

    assert server.authorizations == [f"Bearer token-of-{tenant}" for tenant in tenants]
    assert [headers["app-name"] for _, _, headers, _ in server.calls] == list(tenants)
    assert [request.headers["authorization"] for request in inner.requests] == server.authorizations
    assert [response.request is own.request for response in responses] == [True, True]
    own.check()


@pytest.mark.pitfall(id="request-sent-twice")
async def test_a_redirect_built_while_the_same_request_is_in_flight_carries_no_token(
    matrix: MatrixClient,
) -> None:
    inner = Gated(Server(matrix, respond=lambda _: matrix.library.Response(307, headers={"location": FOREIGN})))
    inner.released[0].set()
    answered = threading.Event()

    def until_the_second_is_under_way(_: Any) -> None:
        if not answered.is_set():
            answered.set()
            inner.arrived[1].wait(TIMEOUT)

    async def awaited(response: Any) -> None:
        await anyio.to_thread.run_sync(until_the_second_is_under_way, response)

    # The libraries build the redirect once these hooks are through.
    hook = until_the_second_is_under_way if matrix.is_sync else awaited
    client = client_of(matrix, "berlin", inner, event_hooks={"response": [hook]})
    own = build(client)
    redirects: list[Any] = []

    async def send() -> None:
        redirects.append((await client.send(own.request)).next_request)
        inner.released[1].set()

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        await wait_for(answered)
        group.start_soon(send)

    assert len(redirects) == 2
    for redirect in redirects:
        assert redirect.headers["x-own"] == "1"
        assert not {"authorization", "app-name"} & redirect.headers.keys()
        assert LEFT_ORIGIN in redirect.extensions
    own.check(marked=True)


@pytest.mark.pitfall(id="request-sent-twice")
async def test_after_a_revocation_the_same_request_gets_the_new_token_and_what_was_sent_stays_recorded(
    matrix: MatrixClient, server: Server
) -> None:
    recorder = Recorder(server)
    client = matrix.caller(matrix.transport(recorder, pipeline=pipeline_for(settings())))
    own = build(client)
    await client.send(own.request)
    server.revoke(1)
    response = await client.send(own.request)

    assert response.status_code == 200
    assert response.request is own.request
    assert [request.headers["authorization"] for request in recorder.requests if request.url.path != "/token"] == [
        "Bearer token-1",
        "Bearer token-1",
        "Bearer token-2",
    ]
    own.check()


async def test_a_call_that_fails_leaves_an_error_that_names_the_caller_s_request(matrix: MatrixClient) -> None:
    library = matrix.library

    def fail(request: Any) -> Any:
        try:
            raise library.ConnectError("refused", request=request)
        except library.ConnectError as error:
            again = library.ConnectTimeout("and again", request=request)
            error.__context__ = again  # A cycle, as code that raises an older error leaves behind.
            raise again from error

    client = client_of(matrix, "berlin", library.MockTransport(fail))
    own = build(client)
    with pytest.raises(library.ConnectTimeout) as caught:
        await without_client(client, own.request)

    cause: Any = caught.value.__cause__
    assert caught.value.request is own.request
    assert cause.request is own.request
    own.check()


async def test_a_response_that_names_the_request_that_was_sent_names_the_caller_s(matrix: MatrixClient) -> None:
    library = matrix.library
    client = client_of(matrix, "berlin", library.MockTransport(lambda request: library.Response(200, request=request)))
    own = build(client)

    assert (await without_client(client, own.request)).request is own.request
    own.check()


async def without_client(client: Caller, request: Any) -> Any:
    """Send ``request`` through the client's transport alone: the library's client would set ``error.request``."""
    transport = transport_of(client.client)
    result = getattr(transport, "handle_request", None) or transport.handle_async_request
    response = result(request)
    return await response if inspect.isawaitable(response) else response


async def test_a_body_that_a_mock_read_can_follow_a_redirect_as_without_us(matrix: MatrixClient) -> None:
    def respond(request: Any) -> Any:
        return None if request.url.path == "/v1/there" else matrix.library.Response(307, headers={"location": "/v1/there"})

    server = Server(matrix, respond=respond)
    response = await client_of(matrix, "berlin", matrix.library.MockTransport(server), follow_redirects=True).post(
        content=once(matrix, b"streamed")
    )

    assert response.status_code == 200
    assert [content for _, _, _, content in server.calls] == [b"streamed", b"streamed"]
    assert response.history[0].request.content == b"streamed"


async def test_a_stream_that_a_transport_wraps_is_wrapped_for_one_send_only(matrix: MatrixClient, server: Server) -> None:
    inner = matrix.library.MockTransport(server)
    wrapped: list[Any] = []

    class Wrapping(Recorder):
        def handle_request(self, request: Any) -> Any:
            wrapped.append(request.stream)
            request.stream = matrix.bodies(b"wrapped")
            return matrix.library.Response(200)

    client = client_of(matrix, "berlin", Wrapping(inner))
    own = build(client)
    for _ in range(2):
        await client.send(own.request)

    assert wrapped == [own.request.stream] * 2
    own.check()


async def test_a_transport_below_finds_the_caller_s_extensions_and_a_class_of_its_own(
    matrix: MatrixClient, server: Server
) -> None:
    class Traced(matrix.library.Request):  # type: ignore[name-defined, misc]  # the library is known at run time only
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.note = "the caller's"

    recorder = Recorder(server)
    client = client_of(matrix, "berlin", recorder)
    request = Traced("GET", f"{BASE}/products", extensions={"trace": print, "timeout": {}})
    await client.send(request)
    (sent,) = recorder.requests

    assert type(sent) is Traced
    assert sent.note == "the caller's"
    assert sent.extensions is request.extensions
    assert request.extensions == {"trace": print, "timeout": {}}


def once(matrix: MatrixClient, chunk: bytes) -> Any:
    def chunks() -> Iterator[bytes]:
        yield chunk

    async def async_chunks() -> AsyncIterator[bytes]:
        yield chunk

    return chunks() if matrix.is_sync else async_chunks()


@pytest.mark.pitfall(id="callers-extensions")
async def test_marked_extensions_used_again_for_another_call_are_not_passed_over_in_silence(
    matrix: MatrixClient, caplog: pytest.LogCaptureFixture
) -> None:
    def respond(request: Any) -> Any:
        moved = request.url.path == "/v1/moved"
        return matrix.library.Response(302, headers={"location": FOREIGN}) if moved else None

    server = Server(matrix, respond=respond)
    client = matrix.client(server)
    redirected = (await client.get("/moved")).request
    await client.get("/products", extensions=redirected.extensions)
    (line,) = [record for record in caplog.records if record.name == "prio_middleware" and record.levelname == "WARNING"]

    assert server.authorizations == ["Bearer token-1", None]
    assert LEFT_ORIGIN in line.getMessage()
    assert f"{API}/v1/products" in line.getMessage()
    assert vars(line)["prio_client"] == "shop"
