"""What was found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from ..settings_shown import beside
from ..terminal import columns, visible, wrapped
from .steps import Finding, Result, Status

_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red", Status.SKIP: "dim"}
_MARGIN = 18
_INDENT = 4


class Report:
    """Tells of an examination while it goes on.

    Args:
        console: where to write. What is no terminal gets lines that are not broken.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._width = columns(console)

    def following(self, client: str, results: Iterable[Result]) -> Iterator[Result]:
        """Hand the results on, each of them told."""
        self._console.print(f"Client {client!r}", style="bold")
        for result in results:
            self._tell(result)
            yield result

    def close(self, findings: Iterable[Finding]) -> None:
        """Say how it went as a whole."""
        statuses = [finding.status for finding in findings]
        failed, warnings = statuses.count(Status.FAIL), statuses.count(Status.WARN)
        self._console.print()
        if failed:
            self._console.print(f"{failed} failed.", style=_STYLES[Status.FAIL])
        elif warnings:
            self._console.print(f"It works, with {warnings} to look at.", style=_STYLES[Status.WARN])
        else:
            self._console.print("All is well.", style=_STYLES[Status.OK])

    def _tell(self, result: Result) -> None:
        finding, style = result.finding, _STYLES[result.finding.status]
        status = finding.status.upper() if finding.status is Status.FAIL else finding.status
        first, *rest = self._wrapped(finding.summary)
        self._console.print(Text.assemble("  ", (f"{status:<6}", style), (f"{result.step.name:<10}", "bold"), first))
        for line in rest:
            self._console.print(f"{'':{_MARGIN}}{line}")
        for line in (line for pair in finding.lines for line in beside(*pair, self._width - _INDENT)):
            self._console.print(f"{'':{_INDENT}}{visible(line)}")
        for line in self._wrapped(f"To do: {finding.remedy}") if finding.remedy else ():
            self._console.print(f"{'':{_MARGIN}}{line}", style=style)

    def _wrapped(self, text: str) -> list[str]:
        return wrapped(text, self._width - _MARGIN)


def document(results: Iterable[Result]) -> list[dict[str, object]]:
    """The steps as JSON can hold them."""
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
