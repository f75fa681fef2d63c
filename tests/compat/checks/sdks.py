"""SDKs that take a client, a transport or a factory."""

from __future__ import annotations

from typing import Any

from tests.compat.local_api import LocalAPI
from tests.compat.table import check

SDK = "SDKs and clients of other protocols"
CHAT = {
    "id": "1",
    "object": "chat.completion",
    "created": 0,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
MESSAGES = [{"role": "user", "content": "hi"}]
REPLACE = {"caller_authorization": "replace"}


@check(
    "openai", SDK, '`OpenAI(http_client=client())` of httpx2, with `caller_authorization = "replace"` for its placeholder key'
)
def openai(api: LocalAPI) -> None:
    import openai

    from prio_middleware.httpx2 import client

    api.answers["/chat/completions"] = CHAT
    with client(settings=api.settings(**REPLACE)) as inner:
        sdk = openai.OpenAI(api_key="unused", base_url=api.url, http_client=inner)
        assert sdk.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content == "hello"


@check("anthropic", SDK, '`Anthropic(http_client=client())` of httpx2, with `caller_authorization = "replace"`')
def anthropic(api: LocalAPI) -> None:
    import anthropic

    from prio_middleware.httpx2 import client

    usage = {"input_tokens": 1, "output_tokens": 1}
    content = [{"type": "text", "text": "hello"}]
    api.answers["/v1/messages"] = {
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "usage": usage,
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    with client(settings=api.settings(**REPLACE)) as inner:
        sdk = anthropic.Anthropic(api_key="unused", base_url=api.url, http_client=inner)
        assert sdk.messages.create(model="m", max_tokens=9, messages=MESSAGES).content[0].text == "hello"


@check("groq", SDK, '`Groq(http_client=client())`, with `caller_authorization = "replace"`')
def groq(api: LocalAPI) -> None:
    import groq

    from prio_middleware.httpx import client

    api.answers["/openai/v1/chat/completions"] = CHAT
    with client(settings=api.settings(**REPLACE)) as inner:
        sdk = groq.Groq(api_key="unused", base_url=api.url, http_client=inner)
        assert sdk.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content == "hello"


@check("mistralai", SDK, '`Mistral(client=client())` of httpx2, with `caller_authorization = "replace"`')
def mistralai(api: LocalAPI) -> None:
    from mistralai.client import Mistral

    from prio_middleware.httpx2 import client

    api.answers["/v1/chat/completions"] = CHAT
    with client(settings=api.settings(**REPLACE)) as inner:
        sdk = Mistral(api_key="unused", server_url=api.url, client=inner)
        assert sdk.chat.complete(model="m", messages=MESSAGES).choices[0].message.content == "hello"


@check("cohere", SDK, '`ClientV2(httpx_client=client())`, with `caller_authorization = "replace"`')
def cohere(api: LocalAPI) -> None:
    import cohere

    from prio_middleware.httpx import client

    message = {"role": "assistant", "content": [{"type": "text", "text": "hello"}]}
    api.answers["/v2/chat"] = {"id": "1", "finish_reason": "COMPLETE", "message": message}
    with client(settings=api.settings(**REPLACE)) as inner:
        sdk = cohere.ClientV2(api_key="unused", base_url=api.url, httpx_client=inner)
        assert sdk.chat(model="m", messages=MESSAGES).message.content[0].text == "hello"


@check("supabase", SDK, '`ClientOptions(httpx_client=client())`, with `caller_authorization = "replace"`')
def supabase(api: LocalAPI) -> None:
    from supabase import ClientOptions, create_client

    from prio_middleware.httpx import client

    api.answers["/rest/v1/orders"] = [{"id": 7}]
    key = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl"
    with client(settings=api.settings(**REPLACE)) as inner:
        sdk = create_client(api.url, key, options=ClientOptions(httpx_client=inner))
        assert sdk.table("orders").select("*").execute().data == [{"id": 7}]


@check("huggingface_hub", SDK, "`set_client_factory(client)` of httpx2, and `token=False`")
def huggingface_hub(api: LocalAPI) -> None:
    import huggingface_hub

    from prio_middleware.httpx2 import client

    api.answers["/api/models/shop/model"] = {"id": "shop/model", "siblings": []}
    huggingface_hub.set_client_factory(lambda: client(settings=api.settings()))
    assert huggingface_hub.HfApi(endpoint=api.url, token=False).model_info("shop/model").id == "shop/model"


@check("gql", SDK, "`HTTPXTransport(url, transport=transport())`, of httpx2 if that is installed: gql prefers it")
def gql(api: LocalAPI) -> None:
    from gql import Client, gql
    from gql.transport.httpx import HTTPXTransport

    from prio_middleware.httpx2 import transport

    api.answers["/graphql"] = {"data": {"orders": [7]}}
    inner = HTTPXTransport(f"{api.url}/graphql", transport=transport(settings=api.settings()))
    with Client(transport=inner) as session:
        assert session.execute(gql("{ orders }")) == {"orders": [7]}


@check(
    "mcp", SDK, "`streamable_http_client(url, http_client=async_client())`, or `httpx_client_factory=async_client`, of httpx2"
)
def mcp(api: LocalAPI) -> None:
    import asyncio
    import functools

    from mcp import ClientSession
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.server import MCPServer

    from prio_middleware.httpx2 import async_client
    from tests.compat.serving import served

    server, seen = MCPServer("shop"), set[bytes]()
    server.tool(name="orders")(lambda: "7")

    def recorded(app: Any) -> Any:
        async def record(scope: Any, receive: Any, send: Any) -> None:
            seen.update(value for name, value in scope.get("headers", ()) if name == b"authorization")
            await app(scope, receive, send)

        return record

    async def call(streams: Any) -> None:
        async with streams as (reading, writing, *_), ClientSession(reading, writing) as session:
            await session.initialize()
            assert (await session.call_tool("orders", {})).content[0].text == "7"

    async def main(url: str, sse_url: str) -> None:
        own = api.settings(allowed_origins=[url, sse_url])
        async with async_client(settings=own) as inner:
            assert (await inner.get(f"{api.url}/orders")).status_code == 200
            await call(streamable_http_client(f"{url}/mcp", http_client=inner))
        factory = functools.partial(async_client, settings=own)  # Called with auth=None.
        await call(sse_client(f"{sse_url}/sse", httpx_client_factory=factory))

    with served(recorded(server.streamable_http_app())) as url, served(recorded(server.sse_app())) as sse_url:
        asyncio.run(main(url, sse_url))
    assert seen == {f"Bearer {api.token}".encode()}


@check("httpx-sse", SDK, "`connect_sse(client(), ...)`")
def httpx_sse(api: LocalAPI) -> None:
    from httpx_sse import connect_sse

    from prio_middleware.httpx import client

    with client(settings=api.settings()) as inner, connect_sse(inner, "GET", "/events") as source:
        assert [(event.event, event.data) for event in source.iter_sse()] == [("sold", "1")]


@check("httpx-ws", SDK, "`connect_ws(url, client())`")
def httpx_ws(api: LocalAPI) -> None:
    from httpx_ws import connect_ws
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    from prio_middleware.httpx import client
    from tests.compat.serving import served

    async def greet(websocket: object) -> None:
        await websocket.accept()
        await websocket.send_text(websocket.headers["authorization"])
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/greet", greet)])
    with served(app) as url:
        own = api.settings(allowed_origins=[url])
        with client(settings=own) as inner, connect_ws(f"{url}/greet", inner) as websocket:
            assert websocket.receive_text() == f"Bearer {api.token}"
        with client(settings=own) as inner:
            inner.get("/orders")


@check("requests", SDK, '`headers={"Authorization": token().authorization()}` for each call')
def requests(api: LocalAPI) -> None:
    import requests

    from prio_middleware.httpx import token

    for _ in range(2):
        header = token(settings=api.settings()).authorization()
        assert requests.get(f"{api.url}/orders", headers={"Authorization": header}, timeout=5).status_code == 200
    assert api.token_requests == 1


@check("aiohttp", SDK, '`headers={"Authorization": (await async_token()).authorization()}` for each call')
def aiohttp(api: LocalAPI) -> None:
    import asyncio

    import aiohttp

    from prio_middleware.httpx import async_token

    async def main() -> None:
        header = (await async_token(settings=api.settings())).authorization()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{api.url}/orders", headers={"Authorization": header}) as got,
        ):
            assert got.status == 200

    asyncio.run(main())
