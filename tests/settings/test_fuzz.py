"""Arbitrary settings are either accepted or raise ConfigurationError."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from prio_middleware import ConfigurationError, Settings
from prio_middleware.settings.client import TOP_LEVEL_KEYS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)
TEXTS = st.text(st.characters(), max_size=30) | st.sampled_from(
    [
        "https://a.example",
        "http://localhost",
        "{}",
        '{"a": 1}',
        "[" * 9_999,
        "\ud800",
        "1e999",
        "nan",
        "/",
        "a:b",
        "a,b",
        "rfc6749",
        "private_key_jwt",
    ]
)
KEYS = st.sampled_from(TOP_LEVEL_KEYS)
TABLES = st.dictionaries(KEYS, VALUES | TEXTS, max_size=6)


@settings(max_examples=50)
@given(TABLES, st.dictionaries(st.text(max_size=8) | st.just("berlin"), TABLES, max_size=2))
def test_any_values(values: dict[str, Any], clients: dict[str, Any]) -> None:
    with contextlib.suppress(ConfigurationError):
        Settings.from_values(**{"client_id": "shop", "client_secret": "s", "clients": clients, **values})


@settings(max_examples=50)
@given(st.dictionaries(KEYS, TEXTS, max_size=3))
def test_any_text(values: dict[str, str]) -> None:
    with contextlib.suppress(ConfigurationError):
        repr(Settings.from_values(**{"client_id": "shop", "client_secret": "s", **values}).clients)


def test_a_key_that_is_a_number() -> None:
    found = Settings.from_values(client_id="shop", client_secret="s", renew_on={400: []})

    assert found.provenance()["renew_on.400"]
