from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware._util.retry_after import MAX_WAIT, retry_after

NOW = "Sun, 06 Nov 1994 08:49:37 GMT"


VALUES: list[tuple[str, float]] = [
    ("0", 0.0),
    ("120", 120.0),
    (" 7 ", 7.0),
    ("007", 7.0),
    ("0.5", 0.5),
    ("86401", MAX_WAIT),
    ("9" * 1000, MAX_WAIT),
    ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
    ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
    ("Sun Nov  6 08:50:37 1994", 60.0),
    ("Sun, 06 Nov 1994 08:50:37 -0000", 60.0),
    (NOW, 0.0),
    ("Sat, 05 Nov 1994 08:49:37 GMT", 0.0),
    ("Fri, 06 Nov 2054 08:49:37 GMT", MAX_WAIT),
]


@pytest.mark.pitfall(id="retry-after")
def test_seconds_and_dates_are_seconds(subtests: pytest.Subtests) -> None:
    for value, seconds in VALUES:
        with subtests.test(f"{value:.60}"):
            assert retry_after(value, NOW) == seconds


IGNORED: list[str | None] = [
    None,
    "",
    " ",
    "-5",
    "+5",
    "soon",
    "5 s",
    "1e3",
    "inf",
    "nan",
    "٣",
    "1,5",
    ".5",
    "Sun, 99 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 99999 08:49:37 GMT",
    "x" * 1_000_000,
    "\x00",
]


def test_anything_else_is_ignored(subtests: pytest.Subtests) -> None:
    for value in IGNORED:
        with subtests.test(f"{value!r:.60}"):
            assert retry_after(value, NOW) is None


def test_without_the_servers_clock_a_date_is_compared_with_this_machines(subtests: pytest.Subtests) -> None:
    for date in [None, "", "yesterday", "x" * 10_000]:
        with subtests.test(f"{date!r:.60}"):
            assert 50 < (retry_after(formatdate(time.time() + 60, usegmt=True), date) or 0) <= 60


def test_a_wrong_clock_of_the_server_has_no_effect() -> None:
    assert retry_after(formatdate(3660, usegmt=True), formatdate(3600, usegmt=True)) == 60.0


@settings(max_examples=40)
@given(
    st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{2,6} \d\d:\d\d:\d\d( GMT| [+-]\d{4})?"),
    st.none() | st.text(),
)
def test_any_value_is_bounded(value: str, date: str | None) -> None:
    seconds = retry_after(value, date)
    assert seconds is None or 0 <= seconds <= MAX_WAIT
