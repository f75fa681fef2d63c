"""``prio check``: the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .guard import FAILED, guarded
from .options import AskSecret, ClientArgument, JsonOption

if TYPE_CHECKING:
    from .doctor.steps import Result

EPILOG = """Examples:

prio check

prio check berlin --path /products/1004

prio check --json > check.json"""


@guarded
def check(
    client: ClientArgument = None,
    path: Annotated[str | None, typer.Option(metavar="PATH", help="A call to try. Default: a cheap one.")] = None,
    *,
    as_json: JsonOption = False,
    ask_secret: AskSecret = False,
) -> None:
    """Find out whether everything works, and what to do if not.

    Looks at settings, DNS, TCP, TLS, clock, token request and one call.

    Exit status: 0 if it works, perhaps with warnings; 1 if something failed.
    """
    from .doctor.report import Report, document
    from .doctor.steps import Status
    from .doctor.visit import visits
    from .given import read_target
    from .terminal import output, print_json

    report = None if as_json else Report(output())
    found: dict[str, list[Result]] = {}
    for name, results in visits(client, path and read_target(path), ask_secret=ask_secret):
        found[name] = list(results if report is None else report.following(name, results))
    findings = [result.finding for results in found.values() for result in results]
    failed = any(finding.status is Status.FAIL for finding in findings)
    if report is None:
        print_json({"ok": not failed, "clients": {name: document(results) for name, results in found.items()}})
    else:
        report.close(findings)
    if failed:
        raise typer.Exit(FAILED)
