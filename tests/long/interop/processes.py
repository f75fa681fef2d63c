"""Authorization servers, each as a process of its own, over HTTPS on a port that was found for it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT = 60.0
"""Seconds after which something hangs. Nothing here takes a tenth of it."""

GUNICORN = ["gunicorn", "--worker-class", "gthread", "--threads", "4", "--no-control-socket", "--log-level", "warning"]


@dataclass(frozen=True)
class Certificates:
    """A certificate for 127.0.0.1, and the authority that signed it, as PEM files."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    @property
    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    issuer: str
    metadata: Mapping[str, Any]


@contextlib.contextmanager
def gunicorn(
    app: str, certificates: Certificates, environment: Mapping[str, str], folder: Path, issuer_path: str = ""
) -> Generator[Running]:
    """A WSGI application under gunicorn."""
    tls = ["--certfile", str(certificates.certificate), "--keyfile", str(certificates.key)]
    with listening() as sock:
        command = [sys.executable, "-m", *GUNICORN, *tls, "--bind", f"fd://{sock.fileno()}", app]
        with serving(command, sock, certificates, environment, folder, issuer_path) as running:
            yield running


@contextlib.contextmanager
def node(
    program: str, script: Path, certificates: Certificates, environment: Mapping[str, str], folder: Path
) -> Generator[Running]:
    """A script of node's."""
    with listening() as sock:
        given = {"INTEROP_CERTIFICATE": str(certificates.certificate), "INTEROP_KEY": str(certificates.key)}
        variables = {**environment, **given, "INTEROP_FD": str(sock.fileno())}
        with serving([program, str(script)], sock, certificates, variables, folder) as running:
            yield running


def listening() -> socket.socket:
    """A socket that its process inherits, so that no other process can take the port meanwhile."""
    return socket.create_server(("127.0.0.1", 0), backlog=64)


@contextlib.contextmanager
def serving(
    command: list[str],
    sock: socket.socket,
    certificates: Certificates,
    environment: Mapping[str, str],
    folder: Path,
    issuer_path: str = "",
) -> Generator[Running]:
    """The process while it serves. A connection waits until it does; if it dies instead, that ends the wait."""
    issuer, log = f"https://127.0.0.1:{sock.getsockname()[1]}{issuer_path}", folder / "server.log"
    # Measured once is enough: in a server, coverage would double the time.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    variables = {**inherited, **environment, "INTEROP_ISSUER": issuer, "INTEROP_FOLDER": str(folder)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output, pass_fds=[sock.fileno()])
    sock.close()
    try:
        yield Running(issuer, _metadata(issuer, certificates, log))
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def _metadata(issuer: str, certificates: Certificates, log: Path) -> dict[str, Any]:
    url = httpx.URL(issuer)
    with httpx.Client(verify=certificates.client_context, trust_env=False, timeout=TIMEOUT) as browser:
        try:
            answer = browser.get(url.copy_with(path=f"/.well-known/oauth-authorization-server{url.path.rstrip('/')}"))
            return dict(json.loads(answer.content))
        except (httpx.HTTPError, ValueError) as error:
            raise AssertionError(f"{error!r}\n{log.read_text()}") from None
