"""``python -m prio_middleware.demo.dashboard``: a busy application with its status page, against a sandbox, until Ctrl-C."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .troubles import LIFETIME, troubles

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from ..sandbox import Sandbox
    from ..settings import Settings

NEEDED = ("trustme", "uvicorn")
"""Packages that only extras bring."""

RATES = {"default": 6.0, "berlin": 3.0, "reseller": 1.0}
"""Calls a second of each client: below 1,000 a minute in all, more than which the API does not allow."""

_TICK = 0.5  # seconds: some platforms do not interrupt a wait


def main(arguments: Sequence[str]) -> int:
    """Run until SIGINT or SIGTERM. Returns the exit status: 2 where it cannot."""
    asked = _parser().parse_args(arguments)
    absent = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if absent:
        sys.stderr.write(f"This needs {', '.join(absent)}. Install it: pip install 'prio-middleware[sandbox]'\n")
        return 2
    from ..sandbox.signals import until_signalled

    with until_signalled() as ended:
        try:
            with running(asked.port) as (url, sandbox):
                _tell(f"{_welcome(url)}\n")
                _trouble(sandbox, ended)
        except ConfigurationError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    return 0


@contextmanager
def running(port: int = 0) -> Generator[tuple[str, Sandbox]]:
    """Run the sandbox, the application's customers and its status page. Gives the page's URL, and the sandbox.

    Raises:
        ConfigurationError: the port is taken.
    """
    from ..clients import Clients
    from ..sandbox import Sandbox, SandboxOptions
    from .business import Business, Customers

    crowd = [Customers(client, rate) for client, rate in RATES.items()]
    # A process of its own: it neither waits for this one's interpreter, nor shares its files.
    with Sandbox(SandboxOptions(lifetime=LIFETIME), process=True) as sandbox:
        settings = settings_for(sandbox)
        clients = Clients(settings)
        try:
            with _served(application(settings), port) as url, Business(clients, crowd):
                yield f"{url}/status/", sandbox
        finally:
            clients.close()


def settings_for(sandbox: Sandbox) -> Settings:
    """Settings of three clients of the sandbox, each with an account of its own."""
    from ..settings import Settings

    first, *others = [
        {"client_id": account.client_id, "client_secret": account.client_secret} for account in sandbox.options.accounts[:3]
    ]
    named: dict[str, Any] = dict(zip(("berlin", "reseller"), others, strict=True))
    return Settings.from_values(
        base_url=sandbox.base_url,
        ca_file=sandbox.ca_file,
        trust_env=False,
        token_timeout=5.0,
        token_deadline=5.0,
        clients=named,
        **first,
    )


def application(settings: Settings) -> ASGIApp:
    """What is served: the status page, and a way to it."""
    from starlette.applications import Starlette
    from starlette.responses import RedirectResponse
    from starlette.routing import Mount, Route

    from ..asgi import StatusPage

    home = Route("/", lambda _: RedirectResponse("/status/"))
    return Starlette(routes=[home, Mount("/status", StatusPage(settings))])


@contextmanager
def _served(app: ASGIApp, port: int) -> Generator[str]:
    from ..sandbox.listen import Listen
    from ..sandbox.listener import Listener

    listen = Listen(port=port, tls=False)
    sock = listen.bind()
    listener = Listener(app, sock, None)
    listener.start()
    try:
        yield listen.url(sock.getsockname()[1])
    finally:
        listener.stop()


def _trouble(sandbox: Sandbox, ended: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
    coming = troubles(sandbox.options)
    trouble = next(coming)
    while not _ended_within(trouble.after, ended, clock):
        trouble.happen(sandbox.admin)
        _tell(f"{time.strftime('%H:%M:%S')}  {trouble.what}")
        trouble = next(coming)


def _ended_within(seconds: float, ended: threading.Event, clock: Callable[[], float]) -> bool:
    due = clock() + seconds
    while clock() < due and not ended.wait(_TICK):
        pass
    return ended.is_set()


def _welcome(url: str) -> str:
    return f"""The status page of a busy application:

    {url}

In another terminal: prio status --watch {url}
Ctrl-C ends it. Meanwhile:"""


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m prio_middleware.demo.dashboard", description="A busy application with its status page."
    )
    parser.add_argument("--port", type=int, default=0, help="of the page; 0 finds one that is free (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
