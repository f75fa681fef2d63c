"""Records of a shared store: valid ones, and anything else that it may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from prio_middleware import AccessToken, CredentialsRefusedError, Secret, TokenEndpointUnavailableError, TokenError
from prio_middleware.oauth.shared.records import (
    SKEW,
    RecordKey,
    SharedToken,
    decrypt_error,
    decrypt_token,
    encrypt_error,
    encrypt_token,
)
from prio_middleware.oauth.shared.redis_store import VALUE_SIZE_LIMIT
from tests.oauth.shared.fleet import OTHER_KEY, keyring

PLACE = RecordKey("a" * 40, "https://auth.example/token")
TOKEN = AccessToken(Secret("token-1"), "bearer", "booking", lifetime=3600.0)
NOW = 1000.0
RECORD = TOKEN.token_id.encode() + encrypt_token(keyring(), PLACE, TOKEN, NOW + 3600, after_rejection=False)
MEMBERS = {
    "name": PLACE.name,
    "url": PLACE.url,
    "token_id": TOKEN.token_id,
    "token": "token-1",
    "type": "Bearer",
    "scope": None,
    "lifetime": 3600,
    "expires_at": 4600.0,
}


def record(content: object, token_id: str = TOKEN.token_id) -> bytes:
    plain = content if isinstance(content, bytes) else json.dumps(content).encode()
    return token_id.encode() + keyring().encrypt(plain)


def test_a_token_comes_back_as_it_was() -> None:
    as_it_was = SharedToken(TOKEN.value, "bearer", "booking", 3600.0, 3600.0, TOKEN.token_id, after_rejection=False)
    assert decrypt_token(keyring(), PLACE, RECORD, NOW) == as_it_was
    assert isinstance(decrypt_token(keyring(), PLACE, record(MEMBERS), NOW), SharedToken)
    assert isinstance(
        decrypt_token(keyring(), PLACE, record({**MEMBERS, "lifetime": 0.5, "expires_at": NOW + 0.5}), NOW), SharedToken
    )


def test_a_scheme_that_is_set_is_how_it_is_presented() -> None:
    opened = decrypt_token(keyring(), PLACE, record({**MEMBERS, "type": "mac"}), NOW, "JWT")
    assert isinstance(opened, SharedToken)
    assert opened.token_type == "JWT"


def test_neither_token_nor_server_can_be_read_without_the_key() -> None:
    assert b"token-1" not in RECORD
    assert b"auth.example" not in RECORD
    assert decrypt_token(keyring(OTHER_KEY), PLACE, RECORD, NOW) == "no configured encryption key decrypts it"


def test_a_value_that_was_moved_does_not_open(subtests: pytest.Subtests) -> None:
    places: list[RecordKey] = [PLACE._replace(name="b" * 40), PLACE._replace(url="https://elsewhere.example/token")]
    for place in places:
        with subtests.test(place=place):
            assert decrypt_token(keyring(), place, RECORD, NOW) == "it was sealed for another token or token endpoint"


def test_another_token_id_before_it_is_not_dropped_with_it() -> None:
    assert decrypt_token(keyring(), PLACE, b"f" * 32 + RECORD[32:], NOW) == "its token id does not match"


def test_what_is_no_json_object_does_not_open(subtests: pytest.Subtests) -> None:
    for content in (b"", b"\xff", b"[]", b'"x"', b"{", b"1e999", b"[" * 9999):
        with subtests.test(content=content):
            assert decrypt_token(keyring(), PLACE, record(content), NOW) == "it was sealed for another token or token endpoint"


def test_what_is_no_token_does_not_open(subtests: pytest.Subtests) -> None:
    changes: list[dict[str, Any]] = [
        {"token": ""},
        {"token": "line\nbreak"},
        {"token": "x" * 20_000},
        {"token": None},
        {"token": 1},
        {"type": "mac"},
        {"type": None},
        {"lifetime": 0},
        {"lifetime": -1},
        {"lifetime": True},
        {"lifetime": "3600"},
        {"lifetime": None},
        {"expires_at": None},
        {"expires_at": True},
        {"expires_at": "4600"},
        {"scope": 1},
        {"scope": ["booking"]},
    ]
    for change in changes:
        with subtests.test(change=change):
            assert decrypt_token(keyring(), PLACE, record({**MEMBERS, **change}), NOW) == "it holds no token"


def test_what_was_not_sealed_does_not_open(subtests: pytest.Subtests) -> None:
    for raw in (b"", b"x", b"x" * 32, b"\xff" * 100, TOKEN.token_id.encode() + b"x" * (VALUE_SIZE_LIMIT + 1)):
        with subtests.test(raw=raw):
            assert decrypt_token(keyring(), PLACE, raw, NOW) == "no configured encryption key decrypts it"


def test_what_is_too_large_is_not_even_opened() -> None:
    assert (
        decrypt_token(keyring(), PLACE, record({**MEMBERS, "more": "x" * VALUE_SIZE_LIMIT}), NOW)
        == "no configured encryption key decrypts it"
    )


def test_a_stored_error_is_read_as_it_was_published(subtests: pytest.Subtests) -> None:
    for kind in (CredentialsRefusedError, TokenEndpointUnavailableError):
        with subtests.test(kind=kind):
            error = kind("No.", remedy="Do so.", code="invalid_client", status_code=401, error_reference="ref-1")
            opened = decrypt_error(keyring(), PLACE, encrypt_error(keyring(), PLACE, error, 10.0, NOW), NOW)

            assert isinstance(opened, TokenError)
            assert isinstance(opened, kind)
            assert opened.retry_after == 10.0
            assert (opened.message, opened.remedy, opened.code, opened.status_code, opened.error_reference, opened.url) == (
                "No.", "Do so.", "invalid_client", 401, "ref-1", PLACE.url,
            )  # fmt: skip


def test_a_stored_error_without_particulars_has_none() -> None:
    opened = decrypt_error(keyring(), PLACE, encrypt_error(keyring(), PLACE, CredentialsRefusedError("No."), 10.0, NOW), NOW)

    assert isinstance(opened, TokenError)
    assert (opened.code, opened.status_code, opened.error_reference) == (None, None, None)


REFUSAL = {"name": PLACE.name, "url": PLACE.url, "error": "credentials", "lifetime": 10, "expires_at": 1010, "message": "No."}


def test_what_is_no_stored_error_does_not_open(subtests: pytest.Subtests) -> None:
    changes: list[dict[str, Any]] = [
        {"error": "x"},
        {"lifetime": None},
        {"lifetime": 0},
        {"lifetime": True},
        {"expires_at": None},
        {"expires_at": "soon"},
    ]
    for change in changes:
        with subtests.test(change=change):
            assert isinstance(decrypt_error(keyring(), PLACE, record(REFUSAL)[32:], NOW), TokenError)
            assert decrypt_error(keyring(), PLACE, record({**REFUSAL, **change})[32:], NOW) == "it holds no error"


def test_particulars_of_another_kind_are_none() -> None:
    members = {**REFUSAL, "lifetime": 5, "expires_at": NOW + 5}
    strange = {"remedy": 1, "code": ["a"], "status_code": "401", "error_reference": {}}
    opened = decrypt_error(keyring(), PLACE, keyring().encrypt(json.dumps({**members, **strange}).encode()), NOW)

    assert isinstance(opened, TokenError)
    assert (opened.code, opened.status_code, opened.error_reference) == (None, None, None)
    assert opened.remedy == CredentialsRefusedError("No.").remedy


def test_a_token_is_no_stored_error_and_a_stored_error_no_token() -> None:
    refusal = encrypt_error(keyring(), PLACE, CredentialsRefusedError("No."), 10.0, NOW)

    assert decrypt_error(keyring(), PLACE, RECORD[32:], NOW) == "it holds no error"
    assert decrypt_error(keyring(), PLACE, b"made up", NOW) == "no configured encryption key decrypts it"
    assert decrypt_token(keyring(), PLACE, b"f" * 32 + refusal, NOW) == "its token id does not match"


def test_a_record_counts_until_its_sealed_time_and_the_allowed_skew(subtests: pytest.Subtests) -> None:
    error = encrypt_error(keyring(), PLACE, CredentialsRefusedError("No."), 10.0, NOW)
    rows: list[tuple[float, float | str]] = [
        (-SKEW - 0.1, "future"), (-SKEW, 10.0), (0.0, 10.0), (SKEW, 10.0),
        (8.0, 7.0), (14.9, 0.1), (15.0, "expired"), (9e9, "expired"),
    ]  # fmt: skip
    for passed, expected in rows:
        with subtests.test(passed=passed):
            opened = decrypt_error(keyring(), PLACE, error, NOW + passed)
            if isinstance(expected, str):
                assert isinstance(opened, str)
                assert expected in opened
            else:
                assert isinstance(opened, TokenError)
                assert opened.retry_after == pytest.approx(expected)
    late = decrypt_token(keyring(), PLACE, RECORD, NOW + 3600 + SKEW)
    assert isinstance(late, str)
    assert "expired" in late
