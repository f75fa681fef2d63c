"""A TLS server that never ends its answer: each way passes the timeouts of an HTTP library, which bound one read at a time."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import trustme

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

DRIPS: dict[str, tuple[bytes, bytes] | None] = {
    "silent": None,
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "headers": (HEAD, b"X-More: 1\r\n"),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "chunk extensions": (CHUNKED + b"1;more=", b"1"),
    "chunk size": (CHUNKED, b"0"),
    "body": (CHUNKED, b"1\r\n{\r\n"),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", b"X-More: 1\r\n"),
}
"""First bytes, and the bytes to repeat; None to send nothing."""

PAUSE = 0.02
"""Seconds between two drops."""


class Dripping(NamedTuple):
    """The server.

    Attributes:
        url: where it is.
        ca_file: what it is to be trusted by.
        connected: set once a client has sent something.
    """

    url: str
    ca_file: Path
    connected: threading.Event


@contextlib.contextmanager
def dripping(drip: str, folder: Path) -> Generator[Dripping]:
    """Serve ``drip``, one of :data:`DRIPS` or ``"silent handshake"``, until the end of the ``with`` statement."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    over, connected = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        threads: list[threading.Thread] = []

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(TimeoutError):
                    connection = listener.accept()[0]
                    threads.append(threading.Thread(target=answer, args=(connection,)))
                    threads[-1].start()

        def answer(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                if drip == "silent handshake":
                    connection.recv(65536)
                    connected.set()
                    over.wait()
                    return
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(65536)
                    connected.set()
                    for piece in _pieces(drip):
                        secure.sendall(piece)
                        if over.wait(PAUSE):
                            return
                    over.wait()

        threads.append(threading.Thread(target=serve))
        threads[0].start()
        try:
            yield Dripping(url, folder / "ca.pem", connected)
        finally:
            over.set()
            for thread in threads:
                thread.join()


def _pieces(drip: str) -> Iterator[bytes]:
    found = DRIPS[drip]
    if found is None:
        return
    yield found[0]
    while True:
        yield found[1]
