from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware.errors import ConfigurationError
from prio_middleware.oauth.access_token import ExpiryPolicy

POLICY = ExpiryPolicy(default_lifetime=300, max_lifetime=86_400, leeway_fraction=0.1, leeway_max=30, jitter=0.0)


@pytest.mark.pitfall(id="expires-in")
def test_what_servers_send_becomes_a_lifetime(subtests: pytest.Subtests) -> None:
    rows: list[tuple[object, float]] = [
        (3600, 3600),
        (3600.5, 3600.5),
        ("3600", 3600),
        (" 3600.5 ", 3600.5),
        (None, 300),
        (0, 1),
        (-1, 1),
        (-0.5, 1),
        ("0", 1),
        ("-7", 1),
        (0.25, 0.25),
        (86_400, 86_400),
        (86_401, 86_400),
        (1e300, 86_400),
        (10**400, 86_400),
        (-(10**400), 1),
        ("9" * 30, 86_400),
        ("3600s", 3600),
        ("3600 S", 3600),
        ("60.5 sec", 60.5),
        ("1 second", 1),
        ("90 seconds ", 90),
    ]
    for expires_in, seconds in rows:
        with subtests.test(expires_in=expires_in, seconds=seconds):
            lifetime = POLICY.lifetime(expires_in)
            assert lifetime == seconds
            assert isinstance(lifetime, float)


@pytest.mark.pitfall(id="expires-in")
def test_anything_else_is_no_lifetime(subtests: pytest.Subtests) -> None:
    expires_ins: list[object] = [
        True,
        False,
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        " ",
        "soon",
        "1e3",
        "0x10",
        "1_000",
        "inf",
        "nan",
        "+5",
        ".5",
        "5.",
        "1,5",
        "5 m",
        "5 ms",
        "s",
        "٣",
        "9" * 31,
        "2038-01-19T03:14:07Z",
        [],
        [3600],
        {},
        {"seconds": 5},
        b"3600",
    ]
    for expires_in in expires_ins:
        with subtests.test(expires_in=expires_in):
            assert POLICY.lifetime(expires_in) is None


def test_the_default_lifetime_is_capped() -> None:
    assert ExpiryPolicy(default_lifetime=300, max_lifetime=60).lifetime(None) == 60


@pytest.mark.pitfall(id="leeway-beyond-lifetime")
def test_the_leeway_is_proportional_up_to_a_bound(subtests: pytest.Subtests) -> None:
    rows: list[tuple[float, float]] = [(0.0, 0.0), (3.0, 0.3), (300.0, 30.0), (3600.0, 30.0)]
    for lifetime, leeway in rows:
        with subtests.test(lifetime=lifetime, leeway=leeway):
            assert POLICY.leeway(lifetime) == pytest.approx(leeway)


@pytest.mark.pitfall(id="leeway-beyond-lifetime")
@given(
    st.none() | st.integers() | st.floats() | st.text() | st.from_regex(r"-?[0-9]{0,40}(\.[0-9]*)?", fullmatch=True),
    st.floats(0, 0.999),
    st.floats(0, 1e9),
)
def test_a_leeway_never_reaches_the_lifetime(expires_in: object, fraction: float, longest: float) -> None:
    policy = ExpiryPolicy(leeway_fraction=fraction, leeway_max=longest)
    lifetime = policy.lifetime(expires_in)
    if lifetime is not None:
        assert 0 <= lifetime <= policy.max_lifetime
        assert policy.leeway(lifetime) < max(lifetime, 1e-9)


def test_rules_that_make_no_sense_are_named(subtests: pytest.Subtests) -> None:
    ruless: list[dict[str, Any]] = [
        {"default_lifetime": 0},
        {"default_lifetime": -1},
        {"default_lifetime": float("inf")},
        {"default_lifetime": float("nan")},
        {"max_lifetime": 0},
        {"max_lifetime": float("inf")},
        {"leeway_fraction": -0.1},
        {"leeway_fraction": 1},
        {"leeway_fraction": float("nan")},
        {"jitter": -0.1},
        {"jitter": 1},
        {"leeway_max": -1},
        {"leeway_max": float("inf")},
    ]
    for rules in ruless:
        with subtests.test(rules=rules), pytest.raises(ConfigurationError, match=next(iter(rules))):
            ExpiryPolicy(**rules)


def test_an_error_names_the_expected_value(subtests: pytest.Subtests) -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        ({"default_lifetime": 0}, "default_lifetime is 0; expected is a positive number of seconds."),
        ({"max_lifetime": -1}, "max_lifetime is -1; expected is a positive number of seconds."),
        ({"leeway_fraction": 1}, "leeway_fraction is 1; expected is a fraction from 0 to below 1."),
        ({"leeway_max": -1}, "leeway_max is -1; expected is a number of seconds, or 0."),
        ({"jitter": 1}, "jitter is 1; expected is a fraction from 0 to below 1."),
    ]
    for options, message in rows:
        with subtests.test(options=options, message=message):
            with pytest.raises(ConfigurationError) as caught:
                ExpiryPolicy(**options)
            assert caught.value.message == message


def test_times_may_be_shorter_than_a_second() -> None:
    policy = ExpiryPolicy(default_lifetime=0.5, max_lifetime=0.75)
    assert (policy.lifetime(None), policy.lifetime(3600)) == (0.5, 0.75)


@pytest.mark.pitfall(id="fleet-stampede")
def test_each_process_takes_another_share_of_the_leeway(monkeypatch: pytest.MonkeyPatch) -> None:
    leeways = set()
    for pid in range(-100, 0):  # Forked children.
        monkeypatch.setattr("os.getpid", lambda pid=pid: pid)
        assert ExpiryPolicy().leeway(1000) == ExpiryPolicy().leeway(1000)
        leeways.add(ExpiryPolicy().leeway(1000))

    assert all(15.0 < leeway <= 30.0 for leeway in leeways)
    assert len(leeways) > 90


def test_the_draw_is_a_fraction_of_the_jitter(subtests: pytest.Subtests) -> None:
    for draw, leeway in ((0.0, 30.0), (0.5, 22.5)):
        with subtests.test(draw=draw):
            assert ExpiryPolicy(jitter=0.5, draw=itertools.repeat(draw).__next__).leeway(1000) == leeway
