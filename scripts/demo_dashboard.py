"""``python -m scripts.demo_dashboard``: a busy application with its status page, against a sandbox, until Ctrl-C."""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Route

from prio_middleware._util.clock import Clock, now
from prio_middleware.asgi import StatusPage
from prio_middleware.demo.fixture import PRODUCT
from prio_middleware.errors import ConfigurationError
from prio_middleware.sandbox import Sandbox, SandboxOptions
from prio_middleware.sandbox.__main__ import until_signalled
from prio_middleware.sandbox.sandbox_options import Listen
from prio_middleware.sandbox.server import require_packages
from prio_middleware.settings import Settings
from prio_middleware.web.clients import Clients

RATES = {"default": 6.0, "berlin": 3.0, "reseller": 1.0}  # calls a second; the API allows 1,000 a minute
LIFETIME_SECONDS = 90.0  # of tokens: short enough to see one expire
POLL_SECONDS = 0.5  # between checks for a signal: some platforms do not interrupt a wait


def main(arguments: Sequence[str], *, sandbox: Sandbox | None = None) -> int:
    """Run until SIGINT or SIGTERM. Return the exit status: 2 if it cannot run."""
    description = "A busy application with its status page."
    parser = argparse.ArgumentParser(prog="python -m scripts.demo_dashboard", description=description)
    parser.add_argument("--port", type=int, default=0, help="port of the page; 0 finds a free one (default: %(default)s)")
    port = parser.parse_args(arguments).port
    try:
        require_packages("The demo", ("trustme", "uvicorn"), "sandbox")
        with until_signalled() as ended, running(port, sandbox=sandbox) as (url, started):
            hint = f"In another terminal: prio status --watch {url}\nCtrl-C ends it. Meanwhile:\n"
            print(f"The status page of a busy application:\n\n    {url}\n\n{hint}", flush=True)
            run_faults(started, ended)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


@contextmanager
def running(
    port: int = 0, *, sandbox: Sandbox | None = None, rates: Mapping[str, float] = RATES
) -> Generator[tuple[str, Sandbox]]:
    """Run a sandbox, by default a new process, simulated users and the status page. Yield the page's URL and the sandbox.

    Raise ConfigurationError if the port is taken.
    """
    from prio_middleware.sandbox.listener import Listener

    listen = Listen(port=port, tls=False)
    sandbox = sandbox or Sandbox(SandboxOptions(lifetime=LIFETIME_SECONDS), process=True)
    with ExitStack() as stack:
        sock = stack.enter_context(closing(listen.bind()))
        stack.enter_context(sandbox)
        credentials = [{"client_id": one.client_id, "client_secret": one.client_secret} for one in sandbox.options.accounts[:3]]
        values: dict[str, Any] = {"base_url": sandbox.base_url, "ca_file": sandbox.ca_file, "trust_env": False}
        values |= {"token_timeout": 5.0, "token_deadline": 5.0, **credentials[0]}
        settings = Settings.from_values(**values, clients={"berlin": credentials[1], "reseller": credentials[2]})
        clients = stack.enter_context(closing(Clients(settings)))
        home = Route("/", lambda _: RedirectResponse("/status/"))
        listener = Listener(Starlette(routes=[home, Mount("/status", StatusPage(settings))]), sock, None)
        listener.start()
        stack.callback(listener.stop)
        stack.enter_context(simulated_users(clients, rates))
        yield f"{listen.url(sock.getsockname()[1])}/status/", sandbox


@contextmanager
def simulated_users(clients: Any, rates: Mapping[str, float]) -> Generator[None]:
    """Call from one thread per client, at ``rates`` in calls a second, until the block ends."""
    ended = threading.Event()

    def work(name: str, rate: float) -> None:
        pauses = random.Random(name)  # noqa: S311 - not for secrets
        paths = itertools.cycle([*[PRODUCT, "/products"] * 12, "/reports/day"])  # now and then a forbidden one
        while not ended.wait(pauses.uniform(0.5, 1.5) / rate):
            with suppress(Exception):  # the status page shows the failure
                clients[name].get(next(paths))

    threads = [threading.Thread(target=work, args=item) for item in rates.items()]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def fault_script(sandbox: Sandbox) -> Iterator[tuple[float, str]]:
    """Yield seconds to wait and the description of a fault, without end. The next step of the iterator causes the fault."""
    admin, (default, berlin, reseller) = sandbox.admin, sandbox.options.accounts[:3]
    while True:
        yield 15, "The default client's tokens are revoked."
        admin.revoke(default.client_id)
        yield 10, "Reseller's secret is changed; its client still has the old one."
        admin.set_secret(reseller.client_id, "changed-without-notice")
        admin.expire(reseller.client_id)
        yield 15, "Reseller has its old secret again."
        admin.set_secret(reseller.client_id, reseller.client_secret)
        yield 10, "Berlin's tokens are revoked, and two token requests will fail."
        admin.fail_tokens("unavailable", times=2)
        admin.revoke(berlin.client_id)
        yield 15, "All tokens are revoked at once."
        admin.revoke()


def run_faults(sandbox: Sandbox, ended: threading.Event, clock: Clock = now) -> None:
    """Cause each fault of the script when it is due by ``clock``, until ``ended`` is set."""
    script, due = fault_script(sandbox), clock()
    while True:
        seconds, text = next(script)
        due += seconds
        while clock() < due:
            if ended.wait(POLL_SECONDS):
                return
        print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
