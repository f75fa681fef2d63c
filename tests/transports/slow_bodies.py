"""Server whose refusals have slow bodies, with HTTP/1.1 or HTTP/2 without TLS."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any, Literal, Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions

Protocol = Literal["HTTP/1.1", "HTTP/2"]
Body = Literal["silent", "dripping"]

TICK = 0.005
"""Seconds between two chunks."""

Headers = list[tuple[str, str]]


class SlowServer:
    """Server that answers a revoked token with 401 and a body that ends when ``release`` is set, and any other with 200.

    Args:
        protocol: what it speaks.
        body: nothing comes until ``release`` is set, or a drop with each tick.
        challenge: the refusal's ``WWW-Authenticate``.

    Attributes:
        dripped: all that was sent of slow bodies. No drop is like its neighbours: one that is missing, or comes twice, is seen.
        flowing: set once three drops were sent.
    """

    def __init__(self, protocol: Protocol, body: Body, challenge: str = "") -> None:
        self.protocol = protocol
        self.body = body
        self.challenge = challenge
        self.revoked: set[str] = set()
        self.authorizations: list[str] = []
        self.granted = 0
        self.dripped = b""
        self.flowing = threading.Event()
        self.refused = threading.Event()
        self.release = threading.Event()
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def revoke(self) -> None:
        self.revoked.add(f"Bearer token-{self.granted}")

    def answer(self, path: str, authorization: str) -> tuple[int, Headers, bytes | None]:
        """Return status, headers and body. The body is None if it is slow."""
        if path == "/token":
            self.granted += 1
            token = {"access_token": f"token-{self.granted}", "token_type": "Bearer", "expires_in": 3600}
            return 200, [("content-type", "application/json")], json.dumps(token).encode()
        self.authorizations.append(authorization)
        if authorization in self.revoked:
            self.refused.set()
            return 401, [("www-authenticate", self.challenge)] if self.challenge else [], None
        return 200, [], b"good"

    def note(self, data: bytes) -> None:
        """Record a chunk of a slow body before it is sent."""
        self.dripped += data
        if len(self.dripped) > 3:
            self.flowing.set()

    def _accept(self) -> None:
        self._listener.settimeout(TICK)
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = self._listener.accept()
                speak = _HTTP1 if self.protocol == "HTTP/1.1" else _HTTP2
                thread = threading.Thread(target=self._serve, args=(connection, speak))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket, speak: Callable[[SlowServer, socket.socket], Any]) -> None:
        with connection, contextlib.suppress(OSError, h2.exceptions.ProtocolError):
            connection.settimeout(TICK)
            protocol = speak(self, connection)
            while not self._closing.is_set():
                try:
                    received = connection.recv(65_536)
                    if not received:
                        return
                    protocol.receive(received)
                except TimeoutError:
                    if self.release.is_set():
                        protocol.send_rest(b"the rest")
                    elif self.body == "dripping":
                        protocol.send(b"%d" % (len(self.dripped) % 7))


class _HTTP1:
    def __init__(self, server: SlowServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._received = b""
        self._slow = False

    def receive(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        if not found or len(rest) < length:
            return
        self._received = rest[length:]
        status, answer, body = self._server.answer(lines[0].split(" ")[1], headers.get("authorization", ""))
        self._slow = body is None
        answer.append(("transfer-encoding", "chunked") if body is None else ("content-length", str(len(body))))
        told = "".join(f"{name}: {value}\r\n" for name, value in answer)
        self._connection.sendall(f"HTTP/1.1 {status} Said\r\n{told}\r\n".encode() + (body or b""))

    def send(self, data: bytes) -> None:
        if self._slow:
            self._server.note(data)
            self._connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))

    def send_rest(self, data: bytes) -> None:
        if self._slow:
            self.send(data)
            self._connection.sendall(b"0\r\n\r\n")
            self._slow = False


class _HTTP2:
    def __init__(self, server: SlowServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._requests: dict[int, dict[str, str]] = {}
        self._slow: set[int] = set()
        self._flush()

    def receive(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self._requests[event.stream_id or 0] = dict(event.headers or ())  # type: ignore[arg-type]  # decoded, as asked
            elif isinstance(event, h2.events.StreamEnded):
                self._answer(event.stream_id or 0)
            elif isinstance(event, h2.events.StreamReset):
                self._slow.discard(event.stream_id or 0)
        self._flush()

    def _answer(self, stream: int) -> None:
        request = self._requests.pop(stream)
        status, headers, body = self._server.answer(request[":path"], request.get("authorization", ""))
        self._h2.send_headers(stream, [(":status", str(status)), *headers])
        if body is None:
            self._slow.add(stream)
        else:
            self._h2.send_data(stream, body, end_stream=True)

    def send(self, data: bytes) -> None:
        for stream in self._slow:
            self._server.note(data)
            self._h2.send_data(stream, data)
        self._flush()

    def send_rest(self, data: bytes) -> None:
        while self._slow:
            self._server.note(data)
            self._h2.send_data(self._slow.pop(), data, end_stream=True)
        self._flush()

    def _flush(self) -> None:
        self._connection.sendall(self._h2.data_to_send())
