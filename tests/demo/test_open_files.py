from __future__ import annotations

import sys

import pytest

from prio_middleware.demo.open_files import allow_open_files


class Resource:
    """Stands in for the module ``resource``."""

    RLIMIT_NOFILE, RLIM_INFINITY = 7, -1

    def __init__(self, soft: int, hard: int) -> None:
        self.limits = (soft, hard)

    def getrlimit(self, kind: int) -> tuple[int, int]:
        assert kind == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, kind: int, limits: tuple[int, int]) -> None:
        assert kind == self.RLIMIT_NOFILE
        if limits[1] != self.RLIM_INFINITY and limits[0] > limits[1]:
            raise ValueError("current limit exceeds maximum limit")
        self.limits = limits


@pytest.mark.parametrize(
    ("before", "refused", "after"),
    [
        pytest.param((1024, 4096), None, (1100, 4096), id="raised"),
        pytest.param((1024, -1), None, (1100, -1), id="raised below infinity"),
        pytest.param((20_000, 20_000), None, (20_000, 20_000), id="high enough"),
        pytest.param((-1, -1), None, (-1, -1), id="infinite"),
        pytest.param((256, 1024), 256, (256, 1024), id="not allowed"),
    ],
)
def test_the_limit_is_raised_where_it_may_be(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], refused: int | None, after: tuple[int, int]
) -> None:
    resource = Resource(*before)
    monkeypatch.setitem(sys.modules, "resource", resource)
    assert allow_open_files(1100) == refused
    assert resource.limits == after


def test_systems_without_such_a_limit_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert allow_open_files(1100) is None
