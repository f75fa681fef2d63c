"""Certificates that are renewed on disk, used from the next connection on, with a real server."""

from __future__ import annotations

import json
import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import anyio
import httpx
import pytest
import trustme

import prio_middleware.httpx
import prio_middleware.httpx2
from prio_middleware import TokenEndpointUnavailableError, build
from prio_middleware.settings import ClientSettings


class Server:
    """Server that requires a client certificate, issues tokens, and answers other calls with the certificate's name."""

    def __init__(self, client_authority: trustme.CA) -> None:
        self.authority = trustme.CA()
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.verify_mode = ssl.CERT_REQUIRED
        client_authority.configure_trust(self._context)
        self.authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self.tokens = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def change_authority(self) -> None:
        self.authority = trustme.CA()
        self.authority.issue_cert("127.0.0.1").configure_cert(self._context)


class _Handler(BaseHTTPRequestHandler):
    """Handler that closes the connection after each response, as HTTP/1.0 does."""

    def __init__(self, owner: Server, *args: Any) -> None:
        self._owner = owner
        super().__init__(*args)

    def do_POST(self) -> None:
        self._owner.tokens += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"access_token": "token-1", "token_type": "Bearer", "expires_in": 3600})

    def do_GET(self) -> None:
        presented: Any = self.connection.getpeercert()  # it is a TLS socket
        self._answer({"presented": presented["subjectAltName"][0][1]})

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass


class Context:
    """Server, and certificate files of its client."""

    def __init__(self, server: Server, authority: trustme.CA, folder: Path) -> None:
        self.server = server
        self.authority = authority
        self.ca_file, self.cert_file, self.key_file = folder / "ca.pem", folder / "own.pem", folder / "own.key"
        self.trust_the_server()
        self.renew("first.example")

    def trust_the_server(self) -> None:
        self.server.authority.cert_pem.write_to_path(self.ca_file)

    def renew(self, name: str, *, key: bool = True) -> None:
        issued = self.authority.issue_cert(name)
        issued.cert_chain_pems[0].write_to_path(self.cert_file)
        if key:
            issued.private_key_pem.write_to_path(self.key_file)

    @property
    def settings(self) -> ClientSettings:
        return self.settings_with()

    def settings_with(self, token_deadline: float = 5) -> ClientSettings:
        return ClientSettings(
            preset="rfc6749",
            client_id="shop",
            client_secret="s3cret",
            base_url=self.server.url,
            token_url=f"{self.server.url}/token",
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            cert_key_file=self.key_file,
            token_deadline=token_deadline,
            token_timeout=token_deadline,
            trust_env=False,
        )


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    authority = trustme.CA()
    with Server(authority) as server:
        yield Context(server, authority, tmp_path)


def sync(context: Context, between: Callable[[], object]) -> list[str]:
    with prio_middleware.httpx.client(settings=context.settings) as client:
        first = client.get("/").json()["presented"]
        between()
        return [first, client.get("/").json()["presented"]]


async def asynchronous(context: Context, between: Callable[[], object]) -> list[str]:
    async with prio_middleware.httpx.async_client(settings=context.settings) as client:
        first = (await client.get("/")).json()["presented"]
        between()
        return [first, (await client.get("/")).json()["presented"]]


async def with_httpx2(context: Context, between: Callable[[], object]) -> list[str]:
    async with prio_middleware.httpx2.async_client(settings=context.settings) as client:
        first = (await client.get("/")).json()["presented"]
        between()
        return [first, (await client.get("/")).json()["presented"]]


CALLS: dict[str, Callable[[Context, Callable[[], object]], list[str]]] = {
    "sync": sync,
    "asyncio": lambda *given: anyio.run(asynchronous, *given),
    "trio": lambda *given: anyio.run(asynchronous, *given, backend="trio"),
    "httpx2": lambda *given: anyio.run(with_httpx2, *given),
}


@pytest.mark.pitfall(id="renewed-certificate")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_renewed_client_certificate_is_presented_from_the_next_connection_on(
    context: Context, call: Callable[[Context, Callable[[], object]], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "prio_middleware")
    assert call(context, lambda: context.renew("second.example")) == ["first.example", "second.example"]
    assert sum("use new certificates" in message for message in caplog.messages) == 1


def test_a_renewed_authority_is_trusted_from_the_next_connection_on(context: Context) -> None:
    def change() -> None:
        context.server.change_authority()
        context.trust_the_server()

    assert sync(context, change) == ["first.example"] * 2


def test_an_authority_that_is_taken_out_is_not_trusted_any_more(context: Context) -> None:
    def distrust() -> None:
        trustme.CA().cert_pem.write_to_path(context.ca_file)

    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        sync(context, distrust)


def test_a_token_request_presents_the_client_certificate(context: Context) -> None:
    with prio_middleware.httpx.client(settings=context.settings_with(token_deadline=0.5)) as client:
        context.authority = trustme.CA()
        context.renew("stranger.example")
        with pytest.raises(TokenEndpointUnavailableError):
            client.get("/")
    assert context.server.tokens == 0


def test_half_a_renewal_changes_nothing_and_is_told_once(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    presented: list[str] = []
    with prio_middleware.httpx.client(settings=context.settings) as client:

        def call() -> None:
            presented.append(client.get("/").json()["presented"])

        call()
        context.renew("second.example", key=False)
        call()
        call()
        context.renew("third.example")
        call()
    assert presented == ["first.example", "first.example", "first.example", "third.example"]
    told = [message for message in caplog.messages if "keep the old certificates" in message]
    assert len(told) == 1


def test_an_http2_client_still_offers_it_afterwards(context: Context) -> None:
    options = build.client_options(context.settings, httpx)
    tls = options["verify"]
    tls.set_alpn_protocols(["http/1.1", "h2"])
    context.renew("second.example")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.set_alpn_protocols(["h2"])
    context.server.authority.issue_cert("127.0.0.1").configure_cert(server)
    assert negotiated(tls, server) == "h2"


def negotiated(client: ssl.SSLContext, server: ssl.SSLContext) -> str | None:
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ends[0].selected_alpn_protocol()
