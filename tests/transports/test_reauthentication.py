"""Re-authentication after the server rejects the token."""

from __future__ import annotations

import functools
import gzip
import io
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import BodyNotReplayableError, NewTokenUnavailableError, Pipeline, StaticTokenProvider, Verdict, build
from tests.transports.matrix import BASE, Caller, MatrixClient, Server, settings

pytestmark = pytest.mark.anyio
REASON = "prio_middleware.reason"


async def warm(matrix: MatrixClient, server: Server) -> Caller:
    """Return a client whose token was just revoked."""
    client = matrix.client(server)
    await client.get()
    server.revoke(1)
    server.calls.clear()
    return client


async def test_a_revoked_token_is_replaced_and_the_call_succeeds(matrix: MatrixClient, server: Server) -> None:
    client = await warm(matrix, server)

    assert (await client.get()).json() == {"authorization": "Bearer token-2"}
    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]


async def test_a_call_is_sent_twice_at_most(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: server.refuse())
    response = await matrix.client(server).get()

    assert response.status_code == 401
    assert response.json()["error_reference"] == "REF-1"
    assert len(server.calls) == 2
    assert len(server.token_requests) == 2


BODIES: dict[str, dict[str, Any]] = {
    "bytes": {"content": b"bytes"},
    "json": {"json": {"a": 1}},
    "form": {"data": {"a": "b"}},
    "multipart bytes": {"files": {"file": b"upload"}},
    "multipart file": {"files": {"file": io.BytesIO(b"from a file")}, "data": {"a": "b"}},
}


@pytest.mark.pitfall(id="body-replay")
async def test_a_body_that_can_be_sent_again_arrives_whole(matrix: MatrixClient, subtests: pytest.Subtests) -> None:
    for name, body in BODIES.items():
        with subtests.test(name):
            build.forget()
            server = Server(matrix)
            client = await _unread(matrix, server)
            response = await client.post(**body)
            first, second = (content for _, _, _, content in server.calls)

            assert response.status_code == 200
            assert first == second != b""


@pytest.mark.pitfall(id="body-replay")
@pytest.mark.pitfall(id="unreplayable-body")
@pytest.mark.parametrize(
    ("client_kind", "kind"),
    [("httpx-sync", "generator"), ("httpx2-sync", "open file"), ("httpx2-asyncio", "generator"), ("httpx-trio", "generator")],
)
async def test_a_body_that_cannot_is_not_sent_again_and_the_response_says_why(
    matrix: MatrixClient, server: Server, kind: str, tmp_path: Path
) -> None:
    client = await _unread(matrix, server)
    path = tmp_path / "body"
    path.write_bytes(b"on disk")
    with path.open("rb") as file:
        response = await client.post(content=file if kind == "open file" else _once(matrix))
    reason = response.extensions[REASON]

    assert response.status_code == 401
    assert len(server.calls) == 1
    assert isinstance(reason, BodyNotReplayableError)
    assert reason.error_reference == "REF-1"
    assert reason.client == "shop"
    assert (await client.get()).json() == {"authorization": "Bearer token-2"}


@pytest.mark.pitfall(id="unreplayable-body")
async def test_a_rejected_token_is_dropped_though_the_body_cannot_be_sent_again(matrix: MatrixClient, server: Server) -> None:
    client = await _unread(matrix, server)
    await client.post(content=_once(matrix))
    await client.get()

    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]


async def _unread(matrix: MatrixClient, server: Server) -> Caller:
    """Return a client with a revoked token, on a transport that streams the request."""
    client = matrix.caller(matrix.transport(Streaming(matrix, server), pipeline=_pipeline()))
    await client.get()
    server.revoke(1)
    server.calls.clear()
    return client


class Streaming:
    """Transport that reads the body from its stream, like one with a socket."""

    def __init__(self, matrix: MatrixClient, server: Server) -> None:
        self._library = matrix.library
        self._server = server

    def handle_request(self, request: Any) -> Any:
        return self._server(
            self._library.Request(request.method, request.url, headers=request.headers.raw, content=b"".join(request.stream))
        )

    async def handle_async_request(self, request: Any) -> Any:
        content = b"".join([chunk async for chunk in request.stream])
        return self._server(self._library.Request(request.method, request.url, headers=request.headers.raw, content=content))

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


def _once(matrix: MatrixClient) -> Any:
    if matrix.is_sync:
        return (chunk for chunk in [b"once"])

    async def chunks() -> Any:
        yield b"once"

    return chunks()


@pytest.mark.pitfall(id="hidden-refusal")
async def test_without_a_new_token_the_response_is_returned_with_the_reason(matrix: MatrixClient) -> None:
    def token(_: Any) -> Any:
        return server.grant() if not server.granted else matrix.library.Response(400, json={"error": "unauthorized_client"})

    server = Server(matrix, token=token)
    client = await warm(matrix, server)
    response = await client.get()
    reason = response.extensions[REASON]

    assert response.status_code == 401
    assert response.json() == {"error": "invalid_token", "error_reference": "REF-1"}
    assert isinstance(reason, NewTokenUnavailableError)
    assert "unauthorized_client" in str(reason)


async def test_a_rejected_fixed_token_returns_the_response(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: server.refuse())
    provider = StaticTokenProvider("fixed")
    transport = matrix.transport(matrix.library.MockTransport(server), provider=provider, origins=[BASE])
    response = await matrix.caller(transport).get()

    assert response.status_code == 401
    assert server.authorizations == ["Bearer fixed"]
    assert isinstance(response.extensions[REASON], NewTokenUnavailableError)


async def test_a_retry_that_fails_raises_its_error(matrix: MatrixClient) -> None:
    """The retry may have had an effect, so the first refusal must not be returned."""

    def respond(_: Any) -> Any:
        if len(server.calls) == 1:
            return server.refuse()
        raise matrix.library.ReadTimeout("no answer")

    server = Server(matrix, respond=respond)
    with pytest.raises(matrix.library.ReadTimeout):
        await matrix.client(server).get()


@pytest.mark.pitfall(id="unclosed-refusal")
async def test_the_refusal_is_closed_before_the_retry(matrix: MatrixClient) -> None:
    closed: list[str] = []

    def respond(_: Any) -> Any:
        if len(server.calls) == 1:
            return matrix.library.Response(401, stream=matrix.bodies(b"{}", closed=closed))
        assert closed
        return None

    server = Server(matrix, respond=respond)
    inner = matrix.library.MockTransport(server)
    client = matrix.caller(matrix.transport(inner, pipeline=build.pipeline_for(settings()), look_ahead=60.0))

    assert (await client.get()).status_code == 200
    assert len(server.calls) == 2


@pytest.mark.pitfall(id="refusal-body")
async def test_a_streamed_refusal_arrives_raw_and_whole(matrix: MatrixClient) -> None:
    packed = gzip.compress(b'{"error": "insufficient_scope"}' * 10)
    headers = {"content-encoding": "gzip", "www-authenticate": 'Bearer error="insufficient_scope"'}
    server = Server(
        matrix, respond=lambda _: matrix.library.Response(403, headers=headers, stream=matrix.bodies(packed[:9], packed[9:]))
    )
    response, chunks = await matrix.client(server).stream("GET", "/products")

    assert response.status_code == 403
    assert b"".join(chunks) == packed
    assert len(server.calls) == 1


@pytest.mark.pitfall(id="refusal-body")
@pytest.mark.pitfall(id="two-libraries")
async def test_a_long_refusal_streams_through_and_is_never_tried_again(matrix: MatrixClient) -> None:
    closed: list[str] = []
    pieces = [b"x" * 40_000] * 4
    server = Server(matrix, respond=lambda _: matrix.library.Response(401, stream=matrix.bodies(*pieces, closed=closed)))
    _, chunks = await matrix.client(server).stream("GET", "/products")

    assert b"".join(chunks) == b"".join(pieces)
    assert len(server.calls) == 1
    assert closed


@pytest.mark.pitfall(id="unclosed-refusal")
@pytest.mark.pitfall(id="refusal-body")
async def test_a_long_refusal_can_be_closed_half_read(matrix: MatrixClient) -> None:
    closed: list[str] = []
    server = Server(
        matrix, respond=lambda _: matrix.library.Response(401, stream=matrix.bodies(*[b"x" * 40_000] * 4, closed=closed))
    )
    client = matrix.client(server)
    response = await client.send(client.client.build_request("GET", "/x"), stream=True)
    assert closed == []
    await client.close_response(response)

    assert closed


@pytest.mark.pitfall(id="refusal-body")
async def test_a_refusal_that_breaks_off_breaks_for_its_reader(matrix: MatrixClient) -> None:
    broken = matrix.library.RemoteProtocolError("cut off")
    server = Server(matrix, respond=lambda _: matrix.library.Response(401, stream=matrix.bodies(b'{"err', error=broken)))
    with pytest.raises(matrix.library.RemoteProtocolError):
        await matrix.client(server).get()

    assert len(server.calls) == 1


async def test_a_component_that_fails_in_judging_leaves_no_connection_open(matrix: MatrixClient) -> None:
    closed: list[str] = []

    class Faulty:
        def on_response(self, exchange: object, response: object) -> Verdict:
            raise ZeroDivisionError

    server = Server(matrix, respond=lambda _: matrix.library.Response(200, stream=matrix.bodies(b"{}", closed=closed)))
    pipeline = Pipeline([Faulty(), *_pipeline().components])
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))
    with pytest.raises(ZeroDivisionError):
        await client.get()

    assert closed


async def test_a_custom_component_may_request_a_new_token(matrix: MatrixClient) -> None:
    class Teapot:
        refusal_statuses = frozenset({418})

        def on_response(self, exchange: Any, response: Any) -> Verdict:
            return Verdict.REAUTHENTICATE if response.status_code == 418 else Verdict.DELIVER

    server = Server(matrix, respond=lambda _: matrix.library.Response(418, json={}))
    pipeline = Pipeline([Teapot(), *_pipeline().components])
    client = matrix.caller(matrix.transport(matrix.library.MockTransport(server), pipeline=pipeline))
    response = await client.get()

    assert response.status_code == 418
    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.pitfall(id="chained-errors")
@pytest.mark.pitfall(id="two-libraries")
async def test_an_error_of_the_tree_is_the_librarys_too_and_travels_between_processes(matrix: MatrixClient) -> None:
    server = Server(matrix, token=lambda _: matrix.library.Response(200, content=b"<html>"))
    client = matrix.client(server)
    with pytest.raises(matrix.library.TransportError) as caught:
        await client.get()
    error = caught.value
    copy = pickle.loads(pickle.dumps(error))

    assert error.request.url == f"{BASE}/products"
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert error.__context__ is None
    assert error.__cause__ is None


def _pipeline() -> Pipeline:
    return build.build_pipeline(settings())


# The header decides.

INVALID = {"www-authenticate": 'Bearer realm="shop", error="invalid_token"'}


def refusing(matrix: MatrixClient, body: Any, token: Any = None, **headers: str) -> Server:
    """Return a server that rejects the first token with a streamed ``body``."""

    def respond(request: Any) -> Any:
        if request.headers["authorization"] == "Bearer token-1":
            return matrix.library.Response(401, headers={**INVALID, **headers}, stream=body())
        return None

    return Server(matrix, respond=respond, token=token)


@pytest.mark.pitfall(id="header-decides")
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_token_that_the_header_calls_invalid_is_replaced_whatever_the_body(matrix: MatrixClient, encoding: str) -> None:
    closed: list[str] = []
    pieces = [gzip.compress(bytes(1_000_000))] if encoding == "gzip" else [b"x" * 40_000] * 4
    server = refusing(matrix, lambda: matrix.bodies(*pieces, closed=closed), **{"content-encoding": encoding})
    response = await matrix.client(server).get()

    assert response.status_code == 200
    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]
    assert closed


@pytest.mark.pitfall(id="header-decides")
@pytest.mark.pitfall(id="unreplayable-body")
async def test_such_a_token_is_dropped_though_the_request_cannot_be_sent_again(matrix: MatrixClient) -> None:
    pieces = [b"x" * 40_000] * 4
    server = refusing(matrix, lambda: matrix.bodies(*pieces))
    client = matrix.caller(matrix.transport(Streaming(matrix, server), pipeline=_pipeline()))
    response = await client.post(content=_once(matrix))

    assert response.status_code == 401
    assert response.content == b"".join(pieces)
    assert isinstance(response.extensions[REASON], BodyNotReplayableError)
    assert (await client.get()).json() == {"authorization": "Bearer token-2"}


@pytest.mark.pitfall(id="hidden-refusal")
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_without_a_new_token_a_long_refusal_ends_where_it_was_left(matrix: MatrixClient, encoding: str) -> None:
    def token(_: Any) -> Any:
        return server.grant() if not server.granted else matrix.library.Response(400, json={"error": "unauthorized_client"})

    server = refusing(matrix, lambda: matrix.bodies(*[b"x" * 40_000] * 4), token, **{"content-encoding": encoding})
    response = await matrix.client(server).get()

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == INVALID["www-authenticate"]
    assert isinstance(response.extensions[REASON], NewTokenUnavailableError)
    assert (b"x" * 160_000).startswith(response.content)


async def test_a_short_refusal_that_is_at_hand_arrives_whole(matrix: MatrixClient) -> None:
    def token(_: Any) -> Any:
        return server.grant() if not server.granted else matrix.library.Response(400, json={"error": "unauthorized_client"})

    server = Server(matrix, respond=lambda _: server.refuse(401, "invalid_token", **INVALID), token=token)
    response = await matrix.client(server).get()

    assert response.json() == {"error": "invalid_token", "error_reference": "REF-1"}
    assert response.extensions[REASON].error_reference == "REF-1"


@pytest.mark.pitfall(id="other-schemes")
async def test_a_refusal_that_asks_for_other_schemes_only_leaves_the_token_alone(
    matrix: MatrixClient, subtests: pytest.Subtests
) -> None:
    def respond(challenge: str, _: Any) -> Any:
        return matrix.library.Response(401, headers={"www-authenticate": challenge})

    for challenge in ('Digest realm="a", qop="auth"', 'Basic realm="a"', "Negotiate", "NTLM, Basic"):
        with subtests.test(challenge):
            build.forget()
            server = Server(matrix, respond=functools.partial(respond, challenge))
            client = matrix.client(server)
            for _ in range(2):
                assert (await client.get()).status_code == 401

            assert server.authorizations == ["Bearer token-1"] * 2


# What the settings say.


@pytest.mark.pitfall(id="bare-403")
async def test_renew_on_goes_over_the_presets_rules(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda request: matrix.library.Response(int(request.url.path[-3:])))
    client = matrix.client(server, settings=settings(renew_on={403: "any", 401: ["expired"]}))

    assert (await client.get("/403")).status_code == 403
    assert server.authorizations == ["Bearer token-1", "Bearer token-2"]
    server.calls.clear()
    assert (await client.get("/401")).status_code == 401
    assert len(server.calls) == 1


@pytest.mark.pitfall(id="bare-403")
async def test_a_403_without_a_code_outside_the_rules_is_counted(
    matrix: MatrixClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "prio_middleware")
    server = Server(matrix, respond=lambda _: matrix.library.Response(403))
    client = matrix.client(server, settings=settings(name="bare"))
    counts = build.registry.client("bare").reauthentications
    before = counts["not_attempted"]
    for _ in range(3):
        await client.get("/orders/1?secret=1")

    assert counts["not_attempted"] == before + 3
    assert len(server.calls) == 3
    [line] = [record for record in caplog.records if vars(record).get("prio_event") == "ignored_403"]
    assert "/orders/1" in line.getMessage()
    assert "secret" not in line.getMessage()


async def test_clients_of_the_same_credentials_share_the_limits_whatever_their_scope(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: server.refuse())
    for scope in ("a", "b", "c", "d", "e"):
        await matrix.client(server, settings=settings(scope=scope)).get()

    assert len(server.token_requests) == 5 + 2


async def test_transports_around_one_provider_share_the_limits(matrix: MatrixClient) -> None:
    server = Server(matrix, respond=lambda _: server.refuse())
    provider = _pipeline().provider
    for _ in range(4):
        transport = matrix.transport(matrix.library.MockTransport(server), provider=provider, origins=[BASE])
        await matrix.caller(transport).get()

    assert len(server.token_requests) == 1 + 2


class Echoing:
    """A token endpoint that grants two tokens, and an API that at last repeats ``echo`` in a refusal."""

    def __init__(self, library: Any, echo: str) -> None:
        self._library, self._echo = library, echo
        self.tokens = ["an-earlier-token-1", "a-later-token-2"]
        self.refuses = False

    def grant(self, _: object) -> Any:
        if not self.tokens:
            return self._library.Response(401, json={"error": "invalid_client"})  # This error is not retried.
        return self._library.Response(200, json={"access_token": self.tokens.pop(0), "token_type": "Bearer"})

    def respond(self, _: object) -> Any:
        body = {"error": "invalid_token", "error_reference": self._echo}
        return self._library.Response(401, json=body) if self.refuses else None


@pytest.mark.pitfall(id="earlier-secrets")
async def test_no_error_repeats_an_earlier_token_that_the_api_echoes(matrix: MatrixClient, subtests: pytest.Subtests) -> None:
    secret = settings().client_secret
    assert secret is not None
    for echo in ("an-earlier-token-1", secret.reveal()):
        with subtests.test(echo=echo):
            build.forget()
            echoing = Echoing(matrix.library, echo)
            server = Server(matrix, token=echoing.grant, respond=echoing.respond)
            client = matrix.client(server)
            await client.get()
            server.revoked.add("Bearer an-earlier-token-1")
            await client.get()
            echoing.refuses = True
            reason = (await client.get()).extensions[REASON]
            assert isinstance(reason, NewTokenUnavailableError)
            assert echo not in f"{reason} {vars(reason)}"
