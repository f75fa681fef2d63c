"""An API that introspects each token it is sent (RFC 7662), at whichever authorization server issued it."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import NamedTuple

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from prio_middleware.sandbox.listener import Listener
from tests.long.interop.accounts import READ, RESOURCE, WRITE
from tests.long.interop.processes import TIMEOUT, Certificates, listening

NEEDED = {"GET": READ, "POST": WRITE}


@contextmanager
def introspecting_api(introspection_url: str, certificates: Certificates) -> Generator[Api]:
    """The API while it is served over HTTPS."""
    sock = listening()
    orders = Orders(introspection_url, certificates.client_context)
    app = Starlette(routes=[Route("/orders", orders.answer, methods=list(NEEDED))])
    listener = Listener(app, sock, certificates.server_context)
    url = f"https://127.0.0.1:{sock.getsockname()[1]}"
    listener.start()
    try:
        yield Api(url, orders.tokens)
    finally:
        listener.stop()


class Api(NamedTuple):
    """URL of the API, and the token of each call that it received."""

    url: str
    tokens: list[str]


class Orders:
    """GET needs one scope, POST another; refusals are those of RFC 6750 §3.1."""

    def __init__(self, introspection_url: str, context: ssl.SSLContext) -> None:
        self._url = introspection_url
        self._context = context
        self.tokens: list[str] = []

    async def answer(self, request: Request) -> JSONResponse:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or not token:
            return refusal(401, "Bearer")
        self.tokens.append(token)
        claims = await self._introspect(token)
        if not claims["active"]:
            return refusal(401, 'Bearer error="invalid_token"')
        if NEEDED[request.method] not in str(claims.get("scope", "")).split():
            return refusal(403, 'Bearer error="insufficient_scope"')
        return JSONResponse({"client_id": claims["client_id"], "scope": claims["scope"]})

    async def _introspect(self, token: str) -> dict[str, object]:
        async with httpx.AsyncClient(verify=self._context, trust_env=False, timeout=TIMEOUT) as client:
            answer = await client.post(self._url, data={"token": token}, auth=(RESOURCE.client_id, RESOURCE.secret))
        answer.raise_for_status()
        return dict(answer.json())


def refusal(status: int, challenge: str) -> JSONResponse:
    return JSONResponse({}, status, headers={"WWW-Authenticate": challenge})
