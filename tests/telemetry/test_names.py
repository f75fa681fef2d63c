"""Names of telemetry, and the packages that it needs."""

from __future__ import annotations

from importlib import metadata

import pytest
from packaging.requirements import Requirement

from prio_middleware.telemetry.names import CLIENT, METRICS, Metric
from scripts.telemetry_reference import ATTRIBUTES, SPANS, SpanKind

KINDS: list[SpanKind | Metric] = [*SPANS, *METRICS]


@pytest.mark.pitfall(id="pinned-conventions")
def test_the_project_depends_on_the_api_alone() -> None:
    requirements = map(Requirement, metadata.requires("prio-middleware") or [])
    names = {requirement.name for requirement in requirements if requirement.name.startswith("opentelemetry")}
    assert names == {"opentelemetry-api"}


def test_every_span_and_metric_names_its_client_except_what_would_make_too_many_series() -> None:
    without = {kind.name.removeprefix("prio_middleware.") for kind in KINDS if CLIENT not in kind.attributes}
    durations = {"token.fetch.duration", "token.wait.duration", "token_store.operation.duration"}
    assert without == {*durations, "token.evictions", "requests.blocked"}


def test_no_attribute_is_declared_twice() -> None:
    assert all(len(set(kind.attributes)) == len(kind.attributes) for kind in KINDS)
    assert len(ATTRIBUTES) == 15
