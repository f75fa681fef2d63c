from __future__ import annotations

import pytest

from scripts.check_words import problems


def test_a_place_that_breaks_a_rule_is_found_with_its_line(subtests: pytest.Subtests) -> None:
    for source, found in {
        '"""What a token is."""': (1, "'What'"),
        'def f():\n    """Return it,\n\n    whoever calls.\n    """': (4, "'whoever'"),
        'A = 1\n"""How many."""': (2, "'How'"),
        "a = 1  # nobody knows": (1, "'nobody'"),
    }.items():
        with subtests.test(source):
            [(line, problem)] = problems(source)
            assert (line, found[1] in problem) == (found[0], True)


def test_plain_english_is_left_alone() -> None:
    assert [*problems('"""Token of a client."""\n\nA = "whoever"  # A reason.\n')] == []
