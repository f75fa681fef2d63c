"""`prio status`: reads a status page, once or repeatedly."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError
from rich.console import Group
from rich.live import Live
from rich.text import Text

from .._util.origins import parse_origin
from .._util.plain_http import insecure_url, is_loopback
from .._util.safe_body import json_object
from ..errors import ConfigurationError, PrioError
from ..transports.routes import find_routes
from ..web.status.page import DATA
from ..web.status.report import Process, Status
from .response import explain, read_limited
from .status_report import LEVELS, StatusReport, moment
from .terminal import visible, write

if TYPE_CHECKING:
    from rich.console import Console

PROCESSES = 64  # Number of processes whose last status is kept.


class RequestRates:
    """Request rates of clients, from the last status of each process: a load balancer may alternate between processes."""

    def __init__(self) -> None:
        self._before: dict[Process, Status] = {}

    @property
    def pids(self) -> list[int]:
        """Process ids that have responded so far."""
        return sorted(process.pid for process in self._before)

    def update(self, status: Status) -> Mapping[str, float]:
        """Return requests per second of each client since the last status of the same process; none for new clients."""
        before = self._before.pop(status.process, None)
        if len(self._before) >= PROCESSES:
            self._before.pop(next(iter(self._before)))
        self._before[status.process] = status
        if before is None or status.at <= before.at:
            return {}
        requests = {client.name: sum(client.responses.values()) for client in before.clients}
        return {
            client.name: max(sum(client.responses.values()) - requests[client.name], 0) / (status.at - before.at)
            for client in status.clients
            if client.name in requests
        }


LIMIT = 4 * 1024 * 1024  # Maximum size of a response in bytes: a page with a thousand clients is smaller.
TIMEOUT = 5.0  # Seconds to wait for a response, or for its next part.
BIGGEST = 1e15  # Upper bound of numbers, which excludes infinity: no count and no time is larger.

_NOT_A_PAGE = (
    "Write the application's URL and the path where it mounts its status page, usually /status: "
    "https://shop.example.com/status, or http://127.0.0.1:8000/status on this machine."
)

_LOGIN = "If the page needs a login, send its credentials: --header @FILE."
_schema: TypeAdapter[Status] = TypeAdapter(Status)


class StatusReply(NamedTuple):
    """Response of a status page: parsed, and as the original document."""

    status: Status
    document: dict[str, Any]


class StatusSource(AbstractContextManager["StatusSource"]):
    """Status page of a running application, read with ``headers``, such as credentials of a login.

    With ``client``, only the client of that name is read. A response has at most ``limit`` bytes. Raise PrioError if the URL
    is not that of a page, a proxy of the environment cannot be used, or headers would be sent without TLS.
    """

    def __init__(
        self, url: str, headers: Iterable[tuple[str, str]] = (), client: str | None = None, *, limit: int = LIMIT
    ) -> None:
        own = list(headers)
        routes = _problem(url, sends_headers=bool(own)) or find_routes(httpx, {})
        if isinstance(routes, PrioError):
            del own, headers  # Crash reporters print the locals of this frame.
            raise routes
        parts = urlsplit(url)
        path = parts.path.removesuffix(DATA).rstrip("/") + DATA
        self._name = client
        self.url = parts._replace(path=path, query=urlencode({"q": client}) if client else "", fragment="").geturl()
        self._limit = limit
        self._client = httpx.Client(
            **routes.wrapped(lambda transport: transport), headers=[("Accept-Encoding", "identity"), *own], timeout=TIMEOUT
        )

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def fetch(self) -> StatusReply | PrioError:
        """Return the current status, or the reason why there is none."""
        try:
            with self._client.stream("GET", self.url) as response:
                body = read_limited(response.iter_raw(), self._limit) if response.is_success else None
        except httpx.HTTPError as error:
            problem, remedy = explain(error, otherwise=f"Check that the application is running. {_NOT_A_PAGE}")
            return PrioError(problem, url=self.url, remedy=remedy)
        if not response.is_success:
            remedy = _LOGIN if response.status_code in {401, 403} or response.is_redirect else _NOT_A_PAGE
            return PrioError(f"The response has status {response.status_code}.", url=self.url, remedy=remedy)
        reply = parse_status(body or b"")
        if reply is None:
            return PrioError("The response is not a status.", url=self.url, remedy=_NOT_A_PAGE)
        return reply if self._name is None else self._select(self._name, reply)

    def _select(self, name: str, reply: StatusReply) -> StatusReply | PrioError:
        """Return the part of the reply about one client. The page's search also finds names that contain this one."""
        clients = tuple(client for client in reply.status.clients if client.name == name)
        if not clients:
            known = ", ".join(client.name for client in reply.status.clients) or "none"
            remedy = f"Clients with a similar name: {known}. Without --client, all are shown."
            return PrioError(f"The application has no client {name!r}.", url=self.url, remedy=remedy)
        documents = [document for document in reply.document["clients"] if document["name"] == name]
        return StatusReply(replace(reply.status, clients=clients), {**reply.document, "clients": documents})


def parse_status(body: bytes) -> StatusReply | None:
    """Return the status in a response body, or None if there is none."""
    document = json_object(body)
    try:
        if document is None or not _is_bounded(document):
            return None
        return StatusReply(_schema.validate_python(document), document)
    except (ValidationError, RecursionError):
        return None


def _problem(url: str, *, sends_headers: bool) -> PrioError | None:
    origin = parse_origin(url)
    if isinstance(origin, ConfigurationError) or origin.scheme not in {"http", "https"}:
        return ConfigurationError("This is not the URL of a status page.", url=url, remedy=_NOT_A_PAGE)
    return insecure_url(url, [origin.host] if is_loopback(origin.host) else []) if sends_headers else None


def _is_bounded(value: Any) -> bool:
    match value:
        case dict():
            return all(map(_is_bounded, value.values()))
        case list():
            return all(map(_is_bounded, value))
        case int() | float():
            return abs(value) < BIGGEST
        case _:
            return True


Update = tuple[StatusReply, PrioError | None]  # The last status, and the reason if it could not be renewed.


def updates(source: StatusSource, every: float, sleep: Callable[[float], object] = time.sleep) -> Iterator[Update]:
    """Yield an update every ``every`` seconds. Raise PrioError if the first request failed."""
    last = source.fetch()
    if isinstance(last, PrioError):
        raise last
    yield last, None
    while True:
        sleep(every)
        reply = source.fetch()
        if isinstance(reply, PrioError):
            yield last, reply
        else:
            last = reply
            yield last, None


def show_updates(found: Iterator[Update], console: Console) -> None:
    """Print updates: in place on a terminal, one report after another elsewhere.

    A terminal with too few lines shows the beginning. So a failure stands first, and the worst clients before the others.
    """
    report, rates = StatusReport(console), RequestRates()
    if not console.is_terminal:
        for reply, failure in found:
            console.print(Group(*_lines(reply.status, failure, report, rates)))
            console.print()
            console.file.flush()
        return
    worst_first = list(LEVELS)
    with Live(console=console, auto_refresh=False) as live:
        for reply, failure in found:
            clients = sorted(reply.status.clients, key=lambda client: worst_first.index(client.condition.level))
            lines = list(_lines(replace(reply.status, clients=tuple(clients)), failure, report, rates))
            for line in lines:
                line.no_wrap, line.overflow = False, "fold"  # Live cuts long lines otherwise.
            live.update(Group(*lines), refresh=True)


def write_json_lines(found: Iterator[Update]) -> None:
    """Write each new status for programs, one document per line."""
    for reply, failure in found:
        if failure is None:
            write(visible(json.dumps(reply.document, ensure_ascii=False)) + "\n", flush=True)


def _lines(status: Status, failure: PrioError | None, report: StatusReport, rates: RequestRates) -> Iterator[Text]:
    process, summary, *clients = report.lines(status, rates.update(status))
    yield from (process, summary)
    if len(rates.pids) > 1:
        listed = ", ".join(map(str, rates.pids))
        yield Text(f"Several processes respond at this URL, each with its own status: {listed}.", "yellow")
    if failure:
        yield Text(f"Stale: last update at {moment(status.at):%H:%M:%S}. {visible(failure.message)}", "bold red")
    else:
        yield Text(f"Updated at {moment(status.at):%H:%M:%S}. Press Ctrl-C to stop.", "dim")
    yield from clients
