from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware.retry_after import MAX_WAIT, retry_after

NOW = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.pitfall(id="retry-after")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
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
    ],
)
def test_seconds_and_dates_are_seconds(value: str, seconds: float) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
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
    ],
)
def test_anything_else_is_ignored(value: str | None) -> None:

    assert retry_after(value, NOW) is None


@pytest.mark.parametrize("date", [None, "", "yesterday", "x" * 10_000])
def test_without_the_servers_clock_a_date_is_compared_with_this_machines(date: str | None) -> None:
    assert 50 < (retry_after(formatdate(time.time() + 60, usegmt=True), date) or 0) <= 60


def test_a_server_whose_clock_is_wrong_does_no_harm() -> None:
    assert retry_after(formatdate(3660, usegmt=True), formatdate(3600, usegmt=True)) == 60.0


@given(
    st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{2,6} \d\d:\d\d:\d\d( GMT| [+-]\d{4})?"),
    st.none() | st.text(),
)
def test_any_value_is_bounded(value: str, date: str | None) -> None:
    seconds = retry_after(value, date)
    assert seconds is None or 0 <= seconds <= MAX_WAIT
