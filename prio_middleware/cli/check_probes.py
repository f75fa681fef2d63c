"""Probes of `prio check`: name resolution, connection, TLS and the first response; and the steps that run them."""

from __future__ import annotations

import enum
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .._util.origins import DEFAULT_PORTS, Origin
from .._util.retry_after import http_date
from .response import explain

if TYPE_CHECKING:
    from ..transports.routes import Routes


class CheckStatus(enum.StrEnum):
    """Status of a step."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """Finding of a step: a sentence and a remedy, ``facts`` for programs, and ``lines`` of details, each with a comment."""

    status: CheckStatus
    summary: str
    remedy: str | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of a check, such as ``dns``, about a server, such as ``api.example.com:443``. Skipped unless ``needs`` pass."""

    name: str
    run: Callable[[], CheckFinding]
    about: str = ""
    needs: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class StepResult:
    """Finding of a step, and its duration in seconds."""

    step: Step
    finding: CheckFinding
    seconds: float = 0.0


def run_steps(steps: Sequence[Step], seconds: float, run: Callable[[Step, float], StepResult]) -> Iterator[StepResult]:
    """Run steps one after another, and skip those that need a failed or skipped step.

    Together they take at most ``seconds``: a step may take half of the time that is left, the last one all of it. So a silent
    server leaves time to test another.
    """
    missed: set[Step] = set()
    left = seconds
    for step in steps:
        missing = next((needed for needed in step.needs if needed in missed), None)
        if missing:
            result = StepResult(step, CheckFinding(CheckStatus.SKIP, f"Skipped: it needs {missing.name}."))
        else:
            result = run(step, left if step is steps[-1] else left / 2)
        left = max(left - result.seconds, 0)
        if result.finding.status in {CheckStatus.FAIL, CheckStatus.SKIP}:
            missed.add(step)
        yield result


def run_within(step: Step, seconds: float) -> CheckFinding:
    """Run a step, and give it up after ``seconds``. Name resolution, for example, has no timeout of its own."""
    found: Future[CheckFinding] = Future()

    def run() -> None:
        try:
            found.set_result(step.run())
        except BaseException as error:  # noqa: BLE001 - result() raises it.
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    if wait([found], seconds).done:
        return found.result()
    return CheckFinding(
        CheckStatus.FAIL,
        f"No response from {step.about} within {seconds:.1f} s.",
        "Check host, port, DNS and firewall. If the server is only slow, set a longer --timeout.",
    )


SHOWN = 3  # Maximum number of addresses in a summary.


class Hop(NamedTuple):
    """The host that a connection is opened to: the server's, or its proxy's."""

    host: str
    port: int
    is_proxy: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'proxy ' if self.is_proxy else ''}{host}:{self.port}"


def first_hop(routes: Routes, server: Origin) -> Hop:
    """Return the host that connections to ``server`` are opened to."""
    itself = Hop(server.host, server.port or DEFAULT_PORTS[server.scheme])
    proxy = routes.find(f"{server.scheme}://{itself}").proxy
    if proxy is None:
        return itself
    return Hop(proxy.url.host, proxy.url.port or DEFAULT_PORTS.get(proxy.url.scheme, 1080), is_proxy=True)


def resolve(hop: Hop) -> CheckFinding:
    """Resolve a host name."""
    try:
        found = socket.getaddrinfo(hop.host, hop.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a valid host name"
        return CheckFinding(
            CheckStatus.FAIL,
            f"The name {hop.host} cannot be resolved: {reason}.",
            "Check the spelling of the URL in the settings, and this machine's DNS.",
            {"host": hop.host},
        )
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    more = f" and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else ""
    shown = "an address" if addresses == [hop.host] else f"{', '.join(addresses[:SHOWN])}{more}"
    facts = {"host": hop.host, "addresses": addresses}
    return CheckFinding(CheckStatus.OK, f"{hop.host} is {shown}.", facts=facts)


def connect(hop: Hop, seconds: float) -> CheckFinding:
    """Open a TCP connection, within ``seconds`` for each address."""
    try:
        with socket.create_connection((hop.host, hop.port), seconds) as connection:
            address = str(connection.getpeername()[0])
    except OSError as error:
        return CheckFinding(
            CheckStatus.FAIL,
            f"No connection to {hop}: {error.strerror or error}.",
            "Check address, port and firewall. If only a proxy has access, set `proxy` or HTTPS_PROXY.",
            {"host": hop.host, "port": hop.port},
        )
    facts = {"host": hop.host, "port": hop.port, "address": address}
    return CheckFinding(CheckStatus.OK, f"Connected to {hop}.", facts=facts)


@dataclass(frozen=True, slots=True)
class FirstResponse:
    """Versions of TLS (None for plain HTTP) and HTTP of a server's first response, and Unix times."""

    tls: str | None
    http: str
    expires: float | None  # Of the certificate.
    date: float | None  # By the server's clock.
    local: float  # By this machine's clock at the same moment.


def first_response(client: Any, library: Any, url: str) -> FirstResponse | CheckFinding:
    """Request ``url`` with a client of ``library`` that sends no token. Return a finding if there is no response."""
    sent = time.time()
    try:
        # A cached response would have an old date.
        with client.stream("GET", url, headers={"Cache-Control": "no-cache"}) as response:
            local = (sent + time.time()) / 2
            stream = response.extensions.get("network_stream")
            tls = stream and stream.get_extra_info("ssl_object")
            certificate = (tls and tls.getpeercert()) or {}
            return FirstResponse(
                tls=tls and tls.version(),
                http=response.http_version,
                expires=ssl.cert_time_to_seconds(certificate["notAfter"]) if certificate else None,
                date=http_date(response.headers.get("date")),
                local=local,
            )
    except library.HTTPError as error:
        return CheckFinding(CheckStatus.FAIL, *explain(error))
