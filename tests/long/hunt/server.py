"""A server that repeats what it was told in everything it says, and another one that notes whatever reaches it."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import quote, unquote

from starlette.types import Receive, Scope, Send

from prio_middleware.sandbox.listener import Listener, make_tls
from prio_middleware.sandbox.sandbox_options import Listen
from tests.long.hunt.canaries import TOKEN

METADATA = "/.well-known/oauth-authorization-server"


class Call(NamedTuple):
    """A request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")

    @property
    def told(self) -> list[str]:
        """Every credential in it, as it came and as it reads."""
        value = self.authorization.partition(" ")[2]
        readable = [base64.b64decode(value).decode()] if self.authorization.startswith("Basic ") else []
        keys = [self.headers.get(name, "") for name in ("x-gateway-key", "x-api-key")]
        keys.append(unquote(self.path.partition("key=")[2]))
        return [text for text in (self.authorization, value, *readable, *keys, self.body) if text]


class Answer(NamedTuple):
    status: int
    document: object = None
    headers: Mapping[str, str] = {}

    @property
    def body(self) -> bytes:
        return self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()


Answering = Callable[[Call], Answer]


class Hostile:
    """Token endpoint, metadata and API of one origin. What a feature wants of it, it sets."""

    def __init__(self) -> None:
        self.url = ""
        self.issued = 0
        self.lifetime: object = 3600
        self.token: Answering = self.grant
        self.api: Answering = self.serve
        self.metadata: Answering = self.describe
        self.meanwhile: Callable[[], None] = lambda: None
        self.calls: list[Call] = []

    def grant(self, _: Call, **members: object) -> Answer:
        self.issued += 1
        return Answer(200, {"access_token": self.latest, "token_type": "Bearer", "expires_in": self.lifetime, **members})

    def serve(self, call: Call) -> Answer:
        """Only the latest token will do."""
        good = call.authorization == f"Bearer {self.latest}"
        return Answer(200, {"products": []}) if good else echo(401, "invalid_token")(call)

    def describe(self, _: Call) -> Answer:
        return Answer(200, {"issuer": self.url, "token_endpoint": f"{self.url}/token"})

    def revoke(self) -> None:
        self.issued += 1

    @property
    def token_requests(self) -> int:
        return sum(call.path == "/token" for call in self.calls)

    @property
    def latest(self) -> str:
        return TOKEN.format(serial=self.issued)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await _read(scope, receive)
        self.calls.append(call)
        self.meanwhile()
        await _write(send, self._answering(call.path)(call))

    def _answering(self, path: str) -> Answering:
        if path.startswith("/.well-known/"):
            return self.metadata
        return self.token if path.startswith("/token") else self.api


def echo(status: int, code: str = "invalid_client", **headers: str) -> Answering:
    """An error that repeats whatever it was told, wherever there is room."""

    def answer(call: Call) -> Answer:
        said = " ".join(call.told)
        document = {
            "error": code,
            "error_description": f"What is {said}?",
            "error_uri": f"https://help.example/{quote(said)}?q={quote(said)}",
            "error_reference": said[-60:],
            "error_message": said,
            "errors": [said],
        }
        return Answer(status, document, headers)

    return answer


def echo_in_headers(status: int) -> Answering:
    """The same, and in headers as well."""

    def answer(call: Call) -> Answer:
        said = quote(" ".join(call.told))
        headers = {
            "www-authenticate": f'Bearer error="invalid_token", error_description="{said}"',
            "x-request-id": said,
            "retry-after": said,
            "content-type": f"application/json; said={said}",
        }
        return echo(status, **headers)(call)

    return answer


class Elsewhere:
    """Another origin: what it is sent is what a stranger learns."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Call] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append(await _read(scope, receive))
        await _write(send, Answer(200, {"access_token": "of somebody else", "token_type": "Bearer"}))


async def _read(scope: Scope, receive: Receive) -> Call:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Call(scope["path"] + scope["query_string"].decode(), headers, body.decode())


async def _write(send: Send, answer: Answer) -> None:
    headers = {"content-type": "application/json", "content-length": str(len(answer.body)), **answer.headers}
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})


@contextmanager
def listening(app: Hostile | Elsewhere) -> Generator[bytes]:
    """Serve ``app`` over HTTPS; gives the certificate authority that signed for it."""
    listen, tls = Listen(), make_tls("valid")
    sock = listen.bind()
    app.url = listen.url(sock.getsockname()[1])
    listener = Listener(app, sock, tls.context)
    listener.start()
    logging.getLogger("uvicorn").propagate = False  # It is the other side.
    try:
        yield tls.ca_pem
    finally:
        logging.getLogger("uvicorn").propagate = True
        listener.stop()


def says(status: int, text: str) -> Answering:
    """An error that repeats ``text`` wherever there is room, and in the headers that are read."""
    quoted = quote(text, safe="")
    document = dict.fromkeys(("error_description", "error_uri", "error_reference", "error_message"), text)
    headers = {
        "www-authenticate": f'Bearer error="{quoted}"',
        "location": f"/{quoted}",
        "content-type": f"application/{quoted}",
    }
    return lambda _: Answer(status, {"error": text, **document}, headers)
