"""What telemetry is named, and what it stands on."""

from __future__ import annotations

from importlib import metadata

import pytest
from packaging.requirements import Requirement

from prio_middleware.telemetry.names import ATTRIBUTES, CLIENT, METRICS, SPANS


@pytest.mark.pitfall(id="pinned-conventions")
def test_the_project_depends_on_the_api_alone() -> None:
    requirements = map(Requirement, metadata.requires("prio-middleware") or [])
    names = {requirement.name for requirement in requirements if requirement.name.startswith("opentelemetry")}
    assert names == {"opentelemetry-api"}


def test_every_span_and_metric_names_its_client() -> None:
    assert all(CLIENT in kind.attributes for kind in (*SPANS, *METRICS))


def test_no_attribute_is_declared_twice() -> None:
    assert all(len(set(kind.attributes)) == len(kind.attributes) for kind in (*SPANS, *METRICS))
    assert len(ATTRIBUTES) == 15
