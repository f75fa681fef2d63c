"""An HTTP proxy on loopback that tunnels (RFC 9110 §9.3.6), and a TLS server that says what it was offered."""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Generator
from typing import Any


class Proxy(socketserver.ThreadingTCPServer):
    """Notes the target of every CONNECT, and the proxy credentials it came with."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.seen: list[tuple[str, str | None]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def targets(self) -> set[str]:
        return {target for target, _ in self.seen}

    @contextlib.contextmanager
    def serving(self) -> Generator[Proxy]:
        thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()


class _Tunnel(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        assert method == "CONNECT"
        headers = dict(line.decode().strip().split(": ", 1) for line in iter(self.rfile.readline, b"\r\n"))
        self.server.seen.append((target, headers.get("Proxy-Authorization")))
        host, _, port = target.partition(":")
        with socket.create_connection((host, int(port))) as far:
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            _relay(self.request, far)


def _relay(near: socket.socket, far: socket.socket) -> None:
    """Pass on what either side says, until one of them hangs up."""
    other = {near: far, far: near}
    with contextlib.suppress(OSError):
        while True:
            for side in select.select([near, far], [], [])[0]:
                said = side.recv(65536)
                if not said:
                    return
                other[side].sendall(said)


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Generator[tuple[str, list[str | None]]]:
    """Yields the address of a server that hangs up after the handshake, and the protocols that were agreed on there."""
    agreed: list[str | None] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                with contextlib.suppress(ssl.SSLError), context.wrap_socket(listener.accept()[0], server_side=True) as near:
                    agreed.append(near.selected_alpn_protocol())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", agreed
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
