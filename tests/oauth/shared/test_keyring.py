"""Encryption keys that seal records, and names from which no client or scope can be learned."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from prio_middleware import Secret, TokenOptions
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS
from prio_middleware.oauth.client_auth import ClientSecretBasic, ClientSecretPost
from prio_middleware.oauth.shared.keyring import Keyring
from prio_middleware.oauth.token_request import TokenEndpoint, TokenHeaders
from tests.oauth.helpers import URL, endpoint
from tests.oauth.shared.fleet import KEY, OTHER_KEY, keyring


def test_a_file_of_keys_has_one_a_line(subtests: pytest.Subtests) -> None:
    texts: list[str] = [KEY, f"{KEY}\n", f"{KEY}\n{OTHER_KEY}\n", f"\n {KEY} \r\n\r\n{OTHER_KEY}"]
    for text in texts:
        with subtests.test(text=text):
            keys = Keyring.read(Secret(text))

            assert isinstance(keys, Keyring)
            assert len(keys.names(endpoint(), DEFAULT_OPTIONS)) == len(text.split())
            assert KEY not in repr(keys)


def test_what_is_no_key_is_said_without_it(subtests: pytest.Subtests) -> None:
    rows: list[tuple[str, str]] = [
        ("", "there is no key"),
        ("  \n", "there is no key"),
        ("short", "key 1 is not 32 bytes in URL-safe Base64"),
        (f"{KEY}\nc2hvcnQ=", "key 2 is not 32 bytes in URL-safe Base64"),
        (KEY[:-1], "key 1 is not 32 bytes in URL-safe Base64"),
        ("é" * 44, "key 1 is not 32 bytes in URL-safe Base64"),
        ("!" * 43 + "=", "key 1 is not 32 bytes in URL-safe Base64"),
        (f"{KEY[:5]}!{KEY[5:]}", "key 1 is not 32 bytes in URL-safe Base64"),
    ]
    for text, problem in rows:
        with subtests.test(text=text, problem=problem):
            assert Keyring.read(Secret(text)) == problem


def test_the_first_key_encrypts_and_each_key_decrypts() -> None:
    sealed = keyring(KEY).encrypt(b"plain")

    assert keyring(OTHER_KEY, KEY).decrypt(sealed) == b"plain"
    assert keyring(OTHER_KEY).decrypt(sealed) is None
    assert keyring(KEY).decrypt(keyring(KEY, OTHER_KEY).encrypt(b"plain")) == b"plain"


def test_a_changed_record_is_not_decrypted() -> None:
    sealed = keyring().encrypt(b"plain")

    assert keyring().decrypt(sealed[:-1] + b"A") is None
    assert keyring().decrypt(b"") is None
    assert keyring().decrypt(b"\xff\x00") is None


def test_names_are_the_same_in_every_process_and_different_for_everything_else() -> None:
    def name(auth: object = None, url: str = URL, key: str = KEY, headers: TokenHeaders = (), **options: str) -> str:
        chosen = auth or ClientSecretBasic("shop@example.com", Secret("s3cret!"))
        made = TokenEndpoint(url, chosen, client="shop", headers=headers)  # type: ignore[arg-type]
        return keyring(key).names(made, DEFAULT_OPTIONS._replace(**options))[0]  # type: ignore[arg-type]

    others = [
        name(ClientSecretBasic("shop@example.com", Secret("another"))),
        name(ClientSecretBasic("other@example.com", Secret("s3cret!"))),
        name(ClientSecretBasic("shop@example.com", Secret("s3cret!"), "form")),
        name(ClientSecretPost("shop@example.com", Secret("s3cret!"))),
        name(url="https://elsewhere.example/token"),
        name(scope="booking"),
        name(headers=(("X-Tenant", Secret("booking")),)),
        name(headers=(("X-Tenant", Secret("another")),)),
        name(audience="booking"),
        name(resource="booking"),
        name(key=OTHER_KEY),
        keyring().names(endpoint(), TokenOptions(params=(("a", "b"),)))[0],
    ]
    assert name(headers=(("x-tenant", Secret("booking")),)) in others
    assert name() == keyring().names(endpoint(), DEFAULT_OPTIONS)[0]
    assert len({name(), *others}) == len(others) + 1


def test_a_key_may_have_every_character_of_url_safe_base64() -> None:
    assert isinstance(Keyring.read(Secret(base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode())), Keyring)


def test_names_stay_the_same_from_version_to_version(subtests: pytest.Subtests) -> None:
    """With other names, processes of two versions would not share tokens during an upgrade."""
    trust = {"headers": (("X-Tenant", Secret("booking")),), "trust": ("other",)}
    rows: list[tuple[type[ClientSecretBasic | ClientSecretPost], dict[str, Any], str]] = [
        (ClientSecretBasic, {}, "3f5046db5c69010c0a0802589ae4fc2d2935f7e4"),
        (ClientSecretPost, {}, "a0d511a86c3262abf547bb9db0f58e38531f687d"),
        (ClientSecretBasic, trust, "e1a3a1d858004e3f6700f691778944fade1329b0"),
    ]
    for auth, more, name in rows:
        with subtests.test(auth=auth, more=more, name=name):
            made = TokenEndpoint(URL, auth("shop@example.com", Secret("s3cret!")), client="shop", **more)

            assert keyring().names(made, TokenOptions(scope="booking", params=(("a", "b"),))) == (name,)


def test_a_name_tells_nothing() -> None:
    (name,) = keyring().names(endpoint(), TokenOptions(scope="booking"))

    assert len(name) == 40
    assert set(name) <= set("0123456789abcdef")


def test_with_two_keys_there_are_two_names_the_own_one_first() -> None:
    both = keyring(KEY, OTHER_KEY).names(endpoint(), DEFAULT_OPTIONS)

    assert both == (*keyring(KEY).names(endpoint(), DEFAULT_OPTIONS), *keyring(OTHER_KEY).names(endpoint(), DEFAULT_OPTIONS))
