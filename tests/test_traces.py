from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware.traces import Traces
from tests.secret_forms import CANARY, FORMS

RUN = 8


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_every_form_is_found(write: Callable[[str], str]) -> None:
    assert Traces([CANARY], RUN).find(f"before {write(CANARY)} after")


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_a_part_of_every_form_is_found(write: Callable[[str], str]) -> None:
    form = write(CANARY)
    middle = len(form) // 2
    assert Traces([CANARY], RUN).find(form[middle - RUN : middle + RUN])


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (f"x{CANARY}", "as it is"),
        (CANARY.encode().hex(), "in hexadecimal"),
        (base64.b64encode(CANARY.encode()).decode(), "in base64"),
        ("p@ss%20w%C3%B6rd", "percent-encoded"),
        ("", None),
        (CANARY[: RUN - 1], None),
        (CANARY[::-1], None),
    ],
)
def test_it_says_how_the_trace_is_written(text: str, how: str | None) -> None:
    assert Traces(["another one", CANARY], RUN).find(text) == how


@pytest.mark.parametrize("secret", ["s", "short", "exactly"])
def test_a_short_secret_counts_as_a_whole(secret: str) -> None:
    assert Traces([secret], RUN).find(f"it is {secret}.") == "as it is"
    assert Traces([f"{secret}!"], RUN).find(f"it is {secret}.") is None


@pytest.mark.parametrize("secrets", [[], [""]])
def test_no_secret_leaves_no_trace(secrets: list[str]) -> None:
    assert Traces(secrets, RUN).find("anything at all, d41d8cd98f00b204e9800998ecf8427e") is None


def test_it_shows_nothing_of_itself() -> None:
    assert CANARY not in repr(Traces([CANARY], RUN))


@given(st.text(min_size=RUN), st.text(), st.text())
def test_any_secret_is_found_in_base64_at_any_place(secret: str, before: str, after: str) -> None:
    raw = f"{before}{secret}{after}".encode("utf-8", "surrogatepass")
    assert Traces([secret], RUN).find(base64.b64encode(raw).decode())
