"""Writer of docs/reference/telemetry.md from the names in the code: ``python scripts/telemetry_reference.py``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from prio_middleware.telemetry.metrics import BUCKETS
from prio_middleware.telemetry.names import ATTRIBUTES, ERROR_TYPES, EVENTS, METRICS, SCHEMA_URL, SCOPE, SPANS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "telemetry.md"

HEAD = f"""\
# Telemetry

This page lists all spans, metrics and attributes. [Observe tokens and calls](../how-to/observe.md) shows how to use them. The
instrumentation scope is `{SCOPE}`, with the library's version and the schema `{SCHEMA_URL}`.

This page is generated from the code by `python scripts/telemetry_reference.py`.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *_spans(), *_metrics(), *_attributes(), *_log_events()])


def _spans() -> Iterator[str]:
    yield "## Spans\n"
    yield "All spans have the kind INTERNAL and no events. Failed ones have the status ERROR.\n"
    rows = ((f"`{span.name}`", span.meaning, _names(span.attributes)) for span in SPANS)
    yield from _table(("Name", "Meaning", "Attributes"), rows)


def _metrics() -> Iterator[str]:
    yield "\n## Metrics\n"
    rows = (
        (f"`{metric.name}`", metric.kind, f"`{metric.unit}`", metric.meaning.rstrip("."), _names(metric.attributes))
        for metric in METRICS
    )
    yield from _table(("Name", "Kind", "Unit", "Meaning", "Attributes"), rows)
    yield f"\nThe advised bucket bounds of histograms are {', '.join(f'{bound:g}' for bound in BUCKETS)} seconds.\n"


def _attributes() -> Iterator[str]:
    yield "## Attributes\n"
    yield from _table(("Name", "Meaning"), ((f"`{name}`", meaning) for name, meaning in ATTRIBUTES.items()))
    yield "\n## Error types\n"
    yield "These are all values of `error.type`:\n"
    yield from _table(("Value", "Meaning"), ((f"`{name}`", meaning) for name, meaning in ERROR_TYPES.items()))
    yield ""


def _log_events() -> Iterator[str]:
    yield "## Log events\n"
    yield (
        f"The logger is `{SCOPE}`. A failure is logged when it begins, then at most once a minute for each client, event and\n"
        "outcome: `prio_left_out` is the number of events since the last such line.\n"
    )
    rows = (
        (f"`{name}`", event.levels, event.meaning, _names(f"prio_{field}" for field in event.fields))
        for name, event in EVENTS.items()
    )
    yield from _table(("`prio_event`", "Level", "Meaning", "Further fields"), rows)
    yield ""


def _names(attributes: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in attributes)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    PAGE.write_text(page())
