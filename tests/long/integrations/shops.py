"""The shops of ``integrations/``, each run as its README says: by its command, in a copy of its folder with a ``prio.env``."""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.long.integrations.customers import ApiCustomer, Browser, Customer
from tests.web.servers import ROOT, TIMEOUT, Server, free_port

INTEGRATIONS = ROOT / "integrations"
KINDNESS = 20.0
"""Seconds that a server has to stop by itself: it does so at once."""

LISTEN: Mapping[str, str] = {
    "uvicorn": "--port {port}",
    "hypercorn": "--bind 127.0.0.1:{port}",
    # A customer stays with one worker, and nothing is written to the home directory.
    "gunicorn": "--bind 127.0.0.1:{port} --keep-alive 60 --no-control-socket",
}


@dataclass(frozen=True)
class Shop:
    """An application, one of the servers that its README names, and who shops there."""

    folder: str
    server: str
    customer: type[ApiCustomer | Browser]

    def __str__(self) -> str:
        return f"{self.folder}, {self.server}"

    def command(self, program: str) -> list[str]:
        """The README's command that begins so, up to a pipe."""
        lines = (INTEGRATIONS / self.folder / "README.md").read_text().splitlines()
        line = next(line.removeprefix("$ ") for line in lines if line.startswith(f"$ {program} "))
        return list(itertools.takewhile("|".__ne__, shlex.split(line)))


SHOPS = [
    Shop("starlette", "uvicorn", ApiCustomer),
    Shop("starlette", "hypercorn", ApiCustomer),
    Shop("fastapi", "uvicorn", ApiCustomer),
    Shop("flask", "gunicorn", Browser),
    Shop("django", "gunicorn", Browser),
    Shop("django", "uvicorn", Browser),
]


class OpenShop:
    """A shop that serves."""

    def __init__(self, shop: Shop, server: Server, customers: contextlib.ExitStack) -> None:
        self._shop = shop
        self._server = server
        self._customers = customers

    def customer(self) -> Customer:
        """A new customer, until the shop closes."""
        http = httpx.Client(base_url=self._server.url, timeout=TIMEOUT, follow_redirects=True)
        return self._shop.customer(self._customers.enter_context(http))

    def ready(self) -> httpx.Response:
        return self._server.browser.get("/ready")

    @property
    def log(self) -> str:
        return self._server.log


@contextlib.contextmanager
def opened(shop: Shop, dotenv: str, directory: Path) -> Generator[OpenShop]:
    """The shop while it serves. Its settings stand in ``prio.env`` and nowhere else."""
    place, port, log = directory / shop.folder, free_port(), directory / "server.log"
    shutil.copytree(INTEGRATIONS / shop.folder, place, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "prio.env").write_text(dotenv)
    command = [*shop.command(shop.server), *LISTEN[shop.server].format(port=port).split()]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=place,
            env={**environment(), "PRIO_ENV_FILE": "prio.env"},
            stdout=output,
            stderr=output,
            process_group=0,
        )
    try:
        server = Server(process, port, log)
        with server.browser, contextlib.ExitStack() as customers:
            server.wait_until_it_listens(port)
            yield OpenShop(shop, server, customers)
    finally:
        stop(process)


@contextlib.contextmanager
def sandbox_as_the_readme_says(shop: Shop) -> Generator[str]:
    """Return its output, while it serves."""
    with subprocess.Popen(shop.command("python"), env=environment(), stdout=subprocess.PIPE, process_group=0) as process:
        try:
            assert process.stdout
            head = itertools.takewhile(lambda line: b"curl" not in line, process.stdout)
            yield b"".join(head).decode()
        finally:
            stop(process)


def as_dotenv(settings: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())


def environment() -> dict[str, str]:
    """Of a terminal where the virtual environment is active."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PRIO_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**inherited, "PATH": path, "PYTHONWARNINGS": "default::ResourceWarning"}


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it kindly, and in any case with all that it has started."""
    process.terminate()
    try:
        process.wait(KINDNESS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
