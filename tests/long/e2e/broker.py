"""A token broker with an API on loopback, over plain HTTP; and a proxy that may only count who comes."""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import socketserver
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

S = TypeVar("S", bound=socketserver.BaseServer)


class Seen(NamedTuple):
    """A request: its path, its headers with names in lower case, and which connection it came over."""

    path: str
    headers: dict[str, str]
    connection: int


class Broker(http.server.ThreadingHTTPServer):
    """Grants a token at ``/token``, answers everything else, and notes requests and ended connections."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.seen: list[Seen] = []
        self.ended: set[int] = set()
        self.end_of_one = threading.Condition()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def wait_for_end(self, connection: int) -> bool:
        with self.end_of_one:
            return self.end_of_one.wait_for(lambda: connection in self.ended, 30)


class _Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer({"access_token": "token-1", "token_type": "Bearer", "expires_in": 3600})

    def do_GET(self) -> None:
        self._answer({"authorization": self.headers.get("Authorization")})

    def _answer(self, members: dict[str, object]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append(Seen(self.path, headers, self.client_address[1]))
        body = json.dumps(members).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def finish(self) -> None:
        super().finish()
        with self.server.end_of_one:
            self.server.ended.add(self.client_address[1])
            self.server.end_of_one.notify_all()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


class Counter(socketserver.ThreadingTCPServer):
    """Server that counts connections and closes them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.visits = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        self.visits += 1
        super().process_request(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Relay(socketserver.ThreadingUnixStreamServer):
    """A unix socket before a TCP port: counts the connections it relays; without a port, it hangs up."""

    daemon_threads = True

    def __init__(self, path: Path, port: int | None) -> None:
        super().__init__(str(path), _Relaying)
        self.port = port
        self.visits = 0


class _Relaying(socketserver.BaseRequestHandler):
    server: Any

    def handle(self) -> None:
        self.server.visits += 1
        if self.server.port is None:
            return
        with socket.create_connection(("127.0.0.1", self.server.port)) as far:
            back = threading.Thread(target=_copy, args=(far, self.request), daemon=True)
            back.start()
            _copy(self.request, far)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def serving(server: S) -> Generator[S]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
