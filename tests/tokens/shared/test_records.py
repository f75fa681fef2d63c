"""What a store may hold under a token's name, and what is made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prio_middleware import AccessToken, CredentialsRefusedError, Secret, TokenEndpointUnavailableError, TokenError
from prio_middleware.tokens.shared.lua import SIZE_LIMIT
from prio_middleware.tokens.shared.records import (
    Place,
    SharedRefusal,
    SharedToken,
    open_refusal,
    open_token,
    seal_refusal,
    seal_token,
)
from tests.tokens.shared.fleet import OTHER_KEY, keyring

PLACE = Place("a" * 40, "https://auth.example/token")
TOKEN = AccessToken(Secret("token-1"), "bearer", "booking", lifetime=3600.0)
RECORD = TOKEN.generation.encode() + seal_token(keyring(), PLACE, TOKEN, after_refusal=False)
MEMBERS = {
    "name": PLACE.name,
    "url": PLACE.url,
    "generation": TOKEN.generation,
    "token": "token-1",
    "type": "Bearer",
    "scope": None,
    "lifetime": 3600,
}


def record(content: object, generation: str = TOKEN.generation) -> bytes:
    plain = content if isinstance(content, bytes) else json.dumps(content).encode()
    return generation.encode() + keyring().seal(plain)


def test_a_token_comes_back_as_it_was() -> None:
    as_it_was = SharedToken(TOKEN.value, "bearer", "booking", 3600.0, TOKEN.generation, after_refusal=False)
    assert open_token(keyring(), PLACE, RECORD) == as_it_was
    assert isinstance(open_token(keyring(), PLACE, record(MEMBERS)), SharedToken)
    assert isinstance(open_token(keyring(), PLACE, record({**MEMBERS, "lifetime": 0.5})), SharedToken)


def test_neither_token_nor_server_can_be_read_without_the_key() -> None:
    assert b"token-1" not in RECORD
    assert b"auth.example" not in RECORD
    assert open_token(keyring(OTHER_KEY), PLACE, RECORD) == "none of our keys opens it"


@pytest.mark.parametrize("place", [PLACE._replace(name="b" * 40), PLACE._replace(url="https://elsewhere.example/token")])
def test_a_value_that_was_moved_does_not_open(place: Place) -> None:
    assert open_token(keyring(), place, RECORD) == "it was sealed for another place"


def test_another_generation_before_it_does_not_go_with_it() -> None:
    assert open_token(keyring(), PLACE, b"f" * 32 + RECORD[32:]) == "it has another generation's id"


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'"x"', b"{", b"1e999", b"[" * 9999])
def test_what_is_no_json_object_does_not_open(content: bytes) -> None:
    assert open_token(keyring(), PLACE, record(content)) == "it was sealed for another place"


@pytest.mark.parametrize(
    "change",
    [
        {"token": ""}, {"token": "line\nbreak"}, {"token": "x" * 20_000}, {"token": None}, {"token": 1}, {"type": "mac"},
        {"type": None}, {"lifetime": 0}, {"lifetime": -1}, {"lifetime": True}, {"lifetime": "3600"}, {"lifetime": None},
        {"scope": 1}, {"scope": ["booking"]},
    ],
)  # fmt: skip
def test_what_is_no_token_does_not_open(change: dict[str, Any]) -> None:
    assert open_token(keyring(), PLACE, record({**MEMBERS, **change})) == "it holds no token"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"x",
        b"x" * 32,
        b"\xff" * 100,
        pytest.param(
            TOKEN.generation.encode() + b"x" * (SIZE_LIMIT + 1), id="too long"
        ),  # A generation is another one each time.
    ],
)
def test_what_was_not_sealed_does_not_open(raw: bytes) -> None:
    assert open_token(keyring(), PLACE, raw) == "none of our keys opens it"


def test_what_is_too_large_is_not_even_opened() -> None:
    assert open_token(keyring(), PLACE, record({**MEMBERS, "more": "x" * SIZE_LIMIT})) == "none of our keys opens it"


@pytest.mark.parametrize("kind", [CredentialsRefusedError, TokenEndpointUnavailableError])
def test_a_refusal_comes_back_as_it_was(kind: type[TokenError]) -> None:
    error = kind("No.", remedy="Do so.", code="invalid_client", status_code=401, error_reference="ref-1")
    opened = open_refusal(keyring(), PLACE, seal_refusal(keyring(), PLACE, error, 10.0))

    assert isinstance(opened, SharedRefusal)
    found = opened.error
    assert isinstance(found, kind)
    assert opened.lifetime == 10.0
    assert (found.message, found.remedy, found.code, found.status_code, found.error_reference, found.url) == (
        "No.", "Do so.", "invalid_client", 401, "ref-1", PLACE.url,
    )  # fmt: skip


def test_a_refusal_without_particulars_has_none() -> None:
    opened = open_refusal(keyring(), PLACE, seal_refusal(keyring(), PLACE, CredentialsRefusedError("No."), 10.0))

    assert isinstance(opened, SharedRefusal)
    assert (opened.error.code, opened.error.status_code, opened.error.error_reference) == (None, None, None)


def test_each_refusal_has_a_name_of_its_own() -> None:
    sealed = [seal_refusal(keyring(), PLACE, CredentialsRefusedError("No."), 10.0) for _ in range(2)]
    names = {opened.name for each in sealed if isinstance(opened := open_refusal(keyring(), PLACE, each), SharedRefusal)}

    assert len(names) == 2


REFUSAL = {"name": PLACE.name, "url": PLACE.url, "refusal": "credentials", "id": "1", "lifetime": 10, "message": "No."}


@pytest.mark.parametrize(
    "change", [{"refusal": "x"}, {"id": None}, {"id": 1}, {"lifetime": None}, {"lifetime": 0}, {"lifetime": True}]
)
def test_what_is_no_refusal_does_not_open(change: dict[str, Any]) -> None:
    assert isinstance(open_refusal(keyring(), PLACE, record(REFUSAL)[32:]), SharedRefusal)
    assert open_refusal(keyring(), PLACE, record({**REFUSAL, **change})[32:]) == "it holds no refusal"


def test_particulars_of_another_kind_are_none() -> None:
    members = {"name": PLACE.name, "url": PLACE.url, "id": "1", "refusal": "credentials", "message": "No.", "lifetime": 5}
    strange = {"remedy": 1, "code": ["a"], "status_code": "401", "error_reference": {}}
    opened = open_refusal(keyring(), PLACE, keyring().seal(json.dumps({**members, **strange}).encode()))

    assert isinstance(opened, SharedRefusal)
    assert (opened.error.code, opened.error.status_code, opened.error.error_reference) == (None, None, None)
    assert opened.error.remedy == CredentialsRefusedError("No.").remedy


def test_a_token_is_no_refusal_and_a_refusal_no_token() -> None:
    refusal = seal_refusal(keyring(), PLACE, CredentialsRefusedError("No."), 10.0)

    assert open_refusal(keyring(), PLACE, RECORD[32:]) == "it holds no refusal"
    assert open_refusal(keyring(), PLACE, b"made up") == "none of our keys opens it"
    assert open_token(keyring(), PLACE, b"f" * 32 + refusal) == "it has another generation's id"
