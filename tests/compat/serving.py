"""Servers of a check: an ASGI application in a thread, or a command that serves a file."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

TIMEOUT = 30.0
"""Seconds after which a server that does not answer counts as failed."""


@contextlib.contextmanager
def served(app: Any) -> Generator[str]:
    """Serve an ASGI application with uvicorn, and yield its URL."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + TIMEOUT
    while not server.started and time.monotonic() < until:
        thread.join(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def served_wsgi(app: Any) -> Generator[str]:
    """Serve a WSGI application with the server of the standard library, and yield its URL."""
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            pass

    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def free_port() -> int:
    """Return a port that is free at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def get(url: str) -> tuple[int, Mapping[str, str]]:
    """Return status and headers of the response to a request without a token."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, _lower(response.headers)
    except urllib.error.HTTPError as error:
        return error.code, _lower(error.headers)


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def serve_file(code: str, command: Sequence[str], environment: Mapping[str, str], path: str = "/products") -> int:
    """Serve ``app.py`` by ``command``, in which ``{port}`` is replaced. Return the status of the first answer to ``path``."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "app.py").write_text(code)
        process = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            cwd=folder,
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join((folder, str(Path.cwd())))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            return _first_status(f"http://127.0.0.1:{port}{path}", process)
        finally:
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _first_status(url: str, process: subprocess.Popen[bytes]) -> int:
    until = time.monotonic() + TIMEOUT
    while time.monotonic() < until and process.poll() is None:
        try:
            return get(url)[0]
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
    process.kill()
    raise AssertionError((process.communicate()[0] or b"").decode()[-2000:])
