"""The package's face loads what is asked for when it is asked for."""

from __future__ import annotations

import operator

import pytest

import prio_middleware


@pytest.mark.parametrize("name", prio_middleware.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(prio_middleware, name).__name__ == name
    assert name in dir(prio_middleware)


def test_another_name_cannot() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        operator.attrgetter("Nonsense")(prio_middleware)
