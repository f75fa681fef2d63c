"""Lazy imports of the public names of the package."""

from __future__ import annotations

import operator

import pytest

import prio_middleware


def test_every_public_name_can_be_imported(subtests: pytest.Subtests) -> None:
    assert "PrioError" in prio_middleware.__all__
    for name in prio_middleware.__all__:
        with subtests.test(f"{name}"):
            value = getattr(prio_middleware, name)
            assert not isinstance(value, type) or value.__name__ == name
            assert name in dir(prio_middleware)


def test_another_name_cannot() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        operator.attrgetter("Nonsense")(prio_middleware)
