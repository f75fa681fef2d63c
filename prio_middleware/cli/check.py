"""`prio check`: the steps for each client, and their report."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from logging.handlers import BufferingHandler
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from rich.console import Console
from rich.text import Text

from ..errors import CredentialsRefusedError, PrioError
from ..settings import Settings
from .arguments import load
from .check_probes import CheckFinding, CheckStatus, Step, StepResult, run_steps, run_within
from .check_verdicts import ServerSteps, judge_call, judge_error, judge_settings, judge_token, origin_of
from .command_client import CommandClient
from .response import explain, read_message, read_short_body
from .settings_shown import rows, with_comment, without_defaults
from .terminal import columns, visible, waiting, wrapped

if TYPE_CHECKING:
    from ..settings import ClientSettings
    from ..settings.presets import BasicEncoding

_STYLES = {CheckStatus.OK: "green", CheckStatus.WARN: "yellow", CheckStatus.FAIL: "bold red", CheckStatus.SKIP: "dim"}
_MARGIN = 18
_INDENT = 4


def show(console: Console, client: str, results: Iterable[StepResult]) -> Iterator[StepResult]:
    """Print each result of a client as it comes in, and yield it. Lines are wrapped on a terminal only."""
    console.print(f"Client {client!r}", style="bold")
    width = columns(console)
    for result in results:
        finding, style = result.finding, _STYLES[result.finding.status]
        status = finding.status.upper() if finding.status is CheckStatus.FAIL else finding.status
        first, *rest = wrapped(finding.summary, width - _MARGIN)
        console.print(Text.assemble("  ", (f"{status:<6}", style), (f"{result.step.name:<10}", "bold"), first))
        for line in rest:
            console.print(f"{'':{_MARGIN}}{line}")
        for line in (line for pair in finding.lines for line in with_comment(*pair, width - _INDENT)):
            console.print(f"{'':{_INDENT}}{visible(line)}")
        for line in wrapped(f"To do: {finding.remedy}", width - _MARGIN) if finding.remedy else ():
            console.print(f"{'':{_MARGIN}}{line}", style=style)
        yield result


def summarize(console: Console, findings: Iterable[CheckFinding]) -> None:
    """Print the number of failures and warnings."""
    statuses = [finding.status for finding in findings]
    failed, warnings = statuses.count(CheckStatus.FAIL), statuses.count(CheckStatus.WARN)
    console.print()
    if failed:
        console.print(f"{failed} failed.", style=_STYLES[CheckStatus.FAIL])
    elif warnings:
        console.print(f"Passed, with {warnings} warning{'' if warnings == 1 else 's'}.", style=_STYLES[CheckStatus.WARN])
    else:
        console.print("All checks passed.", style=_STYLES[CheckStatus.OK])


def as_json(results: Iterable[StepResult]) -> list[dict[str, object]]:
    """Return the results for JSON output."""
    return [
        {
            "step": result.step.name,
            "about": result.step.about,
            "status": result.finding.status,
            "summary": result.finding.summary,
            "remedy": result.finding.remedy,
            "seconds": round(result.seconds, 3),
            "facts": dict(result.finding.facts),
        }
        for result in results
    ]


LATER = ("dns", "tcp", "tls", "clock", "token", "call")  # Names of the steps after the settings.
CALLS = {"prio": "/products"}  # Path of a call that needs a token, by preset. Its data is not read.
OPEN_CALLS = {"prio": "/system/ping"}  # Path of a call that needs no token, by preset.


@dataclass(frozen=True)
class CheckRun:
    """The steps for one client. They call ``path`` with a token, by default the preset's path."""

    client: CommandClient
    settings: ClientSettings
    path: str | None = None

    def steps(self, after: Step) -> list[Step]:
        """Return the steps after ``after``, which checks the settings."""
        settings = self.settings
        api = ServerSteps(self.client, settings, f"{settings.base_url}{OPEN_CALLS.get(settings.preset, '')}", after)
        # The server would count a GET of the token endpoint as an error of the client.
        scheme, _, rest = settings.token_server_url.partition("://")
        root = f"{scheme}://{rest.partition('/')[0]}/" if rest else settings.base_url
        same = origin_of(settings.base_url) == origin_of(root)
        issuer = api if same else ServerSteps(self.client, settings, root, after)
        token = Step("token", self._request_token, issuer.tls.about, (issuer.tls,))
        call = Step("call", self._call, api.tls.about, (api.tls, token))
        network = [step for server in dict.fromkeys((api, issuer)) for step in (server.dns, server.tcp, server.tls)]
        return [*network, issuer.clock, token, call]

    def _request_token(self) -> CheckFinding:
        if self.settings.provider == "none":
            return CheckFinding(CheckStatus.OK, "Provider 'none' sends no token.")
        try:
            token = self.client.authenticate()
        except PrioError as error:
            other = self._other_encoding() if isinstance(error, CredentialsRefusedError) else None
            return judge_error(error) if other is None else judge_error(error.copy(remedy=other))
        return judge_token(token, self.settings.scope)

    def _other_encoding(self) -> str | None:
        """Try the other encoding of HTTP Basic once. Return the advice if it works: documentation differs about it."""
        settings = self.settings
        encoding: BasicEncoding = "form" if settings.basic_encoding == "raw" else "raw"
        pair = f"{settings.client_id}{settings.client_secret.reveal() if settings.client_secret else ''}"
        if settings.client_auth != "client_secret_basic" or quote_plus(pair) == pair:  # Both encodings are equal.
            return None
        try:
            with CommandClient(settings.model_copy(update={"basic_encoding": encoding})) as client:
                client.authenticate()
        except PrioError:
            return None
        return f'The server accepts them in the other encoding of HTTP Basic: set basic_encoding = "{encoding}".'

    def _call(self) -> CheckFinding:
        preset = self.settings.preset
        path = self.path or CALLS.get(preset)
        if path is None:
            return CheckFinding(CheckStatus.SKIP, f"Skipped: preset {preset!r} has no call to try. Name one with --path.")
        client, library = self.client.client, self.client.library
        try:
            with client.stream("GET", path) as response:
                body = read_short_body(response) if response.status_code >= 300 else b""
                return judge_call(read_message(response, body, self.client.secrets))
        except PrioError as error:
            return judge_error(error)
        except (library.HTTPError, library.InvalidURL) as error:
            return CheckFinding(CheckStatus.FAIL, *explain(error))


def failed_steps(error: PrioError) -> list[Step]:
    """Return the steps if the settings cannot be used: the first one fails, the others need it."""
    settings = Step("settings", lambda: judge_error(error))
    return [settings, *(Step(name, settings.run, needs=(settings,)) for name in LATER)]


def run_checks(
    name: str | None, path: str | None, seconds: float, *, ask_secret: bool
) -> Iterable[tuple[str, Iterator[StepResult]]]:
    """Return the name of the client, or of every client, with its results, which run the steps as they are read.

    ``path`` is the call to make with a token. The steps of each client take at most ``seconds``.
    """
    logger, captured = logging.getLogger("prio_middleware"), BufferingHandler(capacity=1000)
    captured.setLevel(logging.WARNING)  # Such as the warning about a secret file that other users can read.
    logger.addHandler(captured)
    try:
        settings = load(name, ask_secret=ask_secret)
        names = [settings.client(name).name] if name else list(settings.clients)
    except PrioError as error:
        return [(name or "default", run_steps(failed_steps(error), seconds, _timed))]
    finally:
        logger.removeHandler(captured)
    warnings = [record.getMessage() for record in captured.buffer]
    return ((each, _check_client(settings, each, path, seconds, warnings)) for each in names)


def _check_client(settings: Settings, name: str, path: str | None, seconds: float, warnings: list[str]) -> Iterator[StepResult]:
    own = settings.client(name)
    given = without_defaults(rows(own, settings.provenance(name)))
    first = Step("settings", lambda: judge_settings(given, warnings))
    try:
        client = CommandClient(own)
    except PrioError as error:
        yield from run_steps(failed_steps(error), seconds, _timed)
        return
    with client:
        yield from run_steps([first, *CheckRun(client, own, path).steps(first)], seconds, _timed)


def _timed(step: Step, seconds: float) -> StepResult:
    started = time.perf_counter()
    with waiting(f"{step.name} {step.about}"):
        finding = run_within(step, seconds)
    return StepResult(step, finding, time.perf_counter() - started)
