"""The page of telemetry is what the code declares; what the code declares is what it makes (tests/telemetry)."""

from __future__ import annotations

from prio_middleware.telemetry.names import METRICS, Metric
from scripts import telemetry_reference
from scripts.telemetry_reference import ATTRIBUTES, SPANS, SpanKind

KINDS: list[SpanKind | Metric] = [*SPANS, *METRICS]


def test_the_page_is_up_to_date() -> None:
    assert telemetry_reference.PAGE.read_text() == telemetry_reference.page(), "Run: python scripts/telemetry_reference.py"


def test_every_attribute_is_explained_and_used() -> None:
    used = {name for kind in KINDS for name in kind.attributes}
    assert used == ATTRIBUTES.keys()


def test_every_name_is_under_the_prefix() -> None:
    assert all(kind.name.startswith("prio_middleware.") for kind in KINDS)
