from __future__ import annotations

import pytest

from prio_middleware.cli.arguments import duration

DURATIONS: list[tuple[float, str]] = [
    (0, "0 s"),
    (-0.3, "0 s"),
    (0.6, "1 s"),
    (59.4, "59 s"),
    (60, "1 min"),
    (3598, "59 min 58 s"),
    (3600, "1 h"),
    (86_400 + 3_600 + 60, "1 d 1 h"),
    (86_400 + 59, "1 d 59 s"),
    (-75, "-1 min 15 s"),
]


def test_the_two_largest_units_are_shown(subtests: pytest.Subtests) -> None:
    for seconds, text in DURATIONS:
        with subtests.test(str(seconds)):
            assert duration(seconds) == text
