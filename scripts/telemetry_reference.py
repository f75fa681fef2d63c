"""Writes docs/reference/telemetry.md from the names that the code uses: ``python scripts/telemetry_reference.py``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from prio_middleware.telemetry.metrics import BUCKETS
from prio_middleware.telemetry.names import ATTRIBUTES, METRICS, SCHEMA_URL, SCOPE, SPANS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "telemetry.md"

HEAD = f"""\
# Telemetry

The instrumentation scope is `{SCOPE}`, with the library's version and the schema `{SCHEMA_URL}`.
[Watch it at work](../how-to/observe.md) tells how to use all this.

This page is made from the code by `python scripts/telemetry_reference.py`.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join([HEAD, *_spans(), *_metrics(), *_attributes()])


def _spans() -> Iterator[str]:
    yield "## Spans\n"
    yield "All are of kind INTERNAL, have no events, and the status ERROR where they failed.\n"
    rows = ((f"`{span.name}`", span.meaning, _names(span.attributes)) for span in SPANS)
    yield from _table(("Name", "What it is", "Attributes"), rows)


def _metrics() -> Iterator[str]:
    yield "\n## Metrics\n"
    rows = (
        (f"`{metric.name}`", metric.kind, f"`{metric.unit}`", metric.meaning.rstrip("."), _names(metric.attributes))
        for metric in METRICS
    )
    yield from _table(("Name", "Kind", "Unit", "What it is", "Attributes"), rows)
    yield f"\nThe buckets that are advised for histograms end at {', '.join(f'{bound:g}' for bound in BUCKETS)} seconds.\n"


def _attributes() -> Iterator[str]:
    yield "## Attributes\n"
    yield from _table(("Name", "What it is"), ((f"`{name}`", meaning) for name, meaning in ATTRIBUTES.items()))
    yield ""


def _names(attributes: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in attributes)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
