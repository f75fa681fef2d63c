from __future__ import annotations

import base64
import copy
import dataclasses
import functools
import importlib.util
import pickle
import sys
import traceback
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware._util.redaction import WITHHELD, server_text
from prio_middleware._util.secret import Secret
from prio_middleware._util.secret_matcher import SecretMatcher
from prio_middleware.errors import ConfigurationError
from prio_middleware.oauth import client_auth
from prio_middleware.oauth.client_auth import ClientAuth, ClientSecretBasic, ClientSecretPost, Credentials
from prio_middleware.oauth.token_request import TokenRequest

URL = "https://auth.example/token"
CLIENT_ID = "shop@example.com"
CANARY = "c@n!ary#$ %:&+=/secret"

Make = Callable[[str, Secret], ClientAuth]
METHODS: list[Make] = [ClientSecretBasic, functools.partial(ClientSecretBasic, encoding="form"), ClientSecretPost]
every_method = pytest.mark.parametrize("make", METHODS, ids=["basic-raw", "basic-form", "post"])


def sent_in_basic(auth: ClientAuth) -> bytes:
    scheme, _, encoded = auth.apply(URL).headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    return base64.b64decode(encoded, validate=True)


@pytest.mark.pitfall(id="basic-encoding")
def test_raw_basic_sends_both_as_they_are() -> None:
    assert sent_in_basic(ClientSecretBasic(CLIENT_ID, Secret(CANARY))) == f"{CLIENT_ID}:{CANARY}".encode()


@pytest.mark.pitfall(id="basic-encoding")
def test_form_encoded_basic_follows_rfc_6749() -> None:
    sent = sent_in_basic(ClientSecretBasic("a:b c", Secret(CANARY), "form"))
    assert sent == b"a%3Ab+c:c%40n%21ary%23%24+%25%3A%26%2B%3D%2Fsecret"


def test_basic_is_utf_8(subtests: pytest.Subtests) -> None:
    rows: list[tuple[Any, bytes]] = [("raw", "zoë:пароль".encode()), ("form", b"zo%C3%AB:%D0%BF%D0%B0%D1%80%D0%BE%D0%BB%D1%8C")]
    for encoding, sent in rows:
        with subtests.test(encoding=encoding, sent=sent):
            assert sent_in_basic(ClientSecretBasic("zoë", Secret("пароль"), encoding)) == sent


def test_post_adds_to_the_body_and_no_header() -> None:
    credentials = ClientSecretPost("zoë", Secret(CANARY + "пароль")).apply(URL)
    assert credentials.body == (("client_id", "zoë"), ("client_secret", CANARY + "пароль"))
    assert credentials.headers == {}


visible = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)


@given(visible, visible)
def test_any_visible_credentials_arrive_as_they_are(client_id: str, secret: str) -> None:
    assert dict(ClientSecretPost(client_id, Secret(secret)).apply(URL).body) == {
        "client_id": client_id,
        "client_secret": secret,
    }
    form = sent_in_basic(ClientSecretBasic(client_id, Secret(secret), "form")).decode()
    assert [urllib.parse.unquote_plus(part) for part in form.split(":")] == [client_id, secret]
    if ":" not in client_id:
        assert sent_in_basic(ClientSecretBasic(client_id, Secret(secret))).decode() == f"{client_id}:{secret}"


def test_raw_basic_takes_no_client_id_with_a_colon() -> None:
    with pytest.raises(ConfigurationError, match="colon") as caught:
        ClientSecretBasic("a:b", Secret(CANARY))
    assert caught.value.remedy == (
        'Set the encoding of Basic credentials to "form", or use client_secret_post, if the server takes it.'
    )


def test_an_unknown_encoding_is_named() -> None:
    wrong: Any = "utf-8"
    with pytest.raises(ConfigurationError, match="'utf-8'; expected is raw or form"):
        ClientSecretBasic(CLIENT_ID, Secret(CANARY), wrong)


def test_what_is_empty_or_holds_control_characters_is_refused(subtests: pytest.Subtests) -> None:
    bads: list[str] = ["", "a\nb", "a\r\nb", "a\x00b", "a\x7fb", "a\u2028b", "trailing\n", "\udcff"]
    for bad in bads:
        for make in METHODS:
            with subtests.test(make=make, bad=bad):
                with pytest.raises(ConfigurationError, match="client id is empty"):
                    make(bad, Secret(CANARY))
                with pytest.raises(ConfigurationError, match=f"secret of client id '{CLIENT_ID}' is empty"):
                    make(CLIENT_ID, Secret(bad))


def test_a_mistake_shows_no_secret(subtests: pytest.Subtests) -> None:
    for make in METHODS:
        with subtests.test(make=make):
            with pytest.raises(ConfigurationError) as caught:
                make(CLIENT_ID, Secret(CANARY + "\n"))
            frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
            assert "n!ary" not in f"{[frame.locals for frame in frames if frame.filename != __file__]} {caught.value}"
            assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.pitfall(id="printed-secrets")
def test_nothing_shows_the_secret(subtests: pytest.Subtests) -> None:
    for make in METHODS:
        with subtests.test(make=make):
            auth = make(CLIENT_ID, Secret(CANARY))
            credentials = auth.apply(URL)
            for shown in (repr(auth), str(auth), f"{[auth]}", repr(credentials), repr(credentials.secrets), auth.fingerprint):
                assert "ary" not in shown
                assert base64.b64encode(CANARY.encode()).decode()[:8] not in shown
            assert CLIENT_ID in repr(auth)
            with pytest.raises(TypeError):
                pickle.dumps(auth)


def test_whatever_is_sent_is_known_as_secret(subtests: pytest.Subtests) -> None:
    for make in METHODS:
        with subtests.test(make=make):
            credentials = make(CLIENT_ID, Secret(CANARY)).apply(URL)
            header = credentials.headers.get("Authorization", "")
            for echo in filter(None, [CANARY, urllib.parse.quote_plus(CANARY), header]):
                assert server_text(f"you sent {echo}", credentials.secrets) == WITHHELD


@pytest.mark.pitfall(id="cache-key")
def test_the_fingerprint_tells_credentials_apart(subtests: pytest.Subtests) -> None:
    for make in METHODS:
        with subtests.test(make=make):
            fingerprint = make(CLIENT_ID, Secret(CANARY)).fingerprint
            assert make(CLIENT_ID, Secret(CANARY)).fingerprint == fingerprint
            assert make(CLIENT_ID, Secret(CANARY + "!")).fingerprint != fingerprint
            assert make("other", Secret(CANARY)).fingerprint != fingerprint


def test_methods_and_their_parts_cannot_be_taken_for_one_another() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ('a","b', "c")]
    fingerprints = {make(client_id, Secret(secret)).fingerprint for make in METHODS for client_id, secret in pairs}
    assert len(fingerprints) == len(METHODS) * len(pairs)


def test_a_fingerprint_means_nothing_to_another_process() -> None:
    """Another process executes the module, too."""
    spec = importlib.util.spec_from_file_location("prio_middleware.oauth.client_auth_elsewhere", client_auth.__file__)
    assert spec is not None
    assert spec.loader is not None
    elsewhere: Any = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, elsewhere)
        spec.loader.exec_module(elsewhere)
    other = elsewhere.ClientSecretPost("id", Secret("secret")).fingerprint

    assert len(other) == 64
    assert other != ClientSecretPost("id", Secret("secret")).fingerprint


def test_equal_credentials_are_equal(subtests: pytest.Subtests) -> None:
    for make in METHODS:
        with subtests.test(make=make):
            auth = make(CLIENT_ID, Secret(CANARY))
            assert auth == make(CLIENT_ID, Secret(CANARY)) == copy.copy(auth)
            assert len({auth, make(CLIENT_ID, Secret(CANARY)), make(CLIENT_ID, Secret("other"))}) == 2


def test_methods_have_their_registered_names(subtests: pytest.Subtests) -> None:
    rows: list[tuple[ClientAuth, str]] = [
        (ClientSecretBasic(CLIENT_ID, Secret(CANARY)), "client_secret_basic"),
        (ClientSecretPost(CLIENT_ID, Secret(CANARY)), "client_secret_post"),
    ]
    for auth, method in rows:
        with subtests.test(auth=auth, method=method):
            assert auth.method == method


def test_credentials_may_be_none_at_all() -> None:
    none = Credentials()
    assert (dict(none.headers), none.body, none.secrets) == ({}, (), ())


def test_asdict_does_not_open_what_it_holds(subtests: pytest.Subtests) -> None:
    for make in METHODS:
        with subtests.test(make=make):
            auth: Any = make(CLIENT_ID, Secret(CANARY))
            assert SecretMatcher([CANARY], 8).find(repr(dataclasses.asdict(auth))) is None


def test_a_client_authentication_in_use_can_be_copied(subtests: pytest.Subtests) -> None:
    for make in METHODS:
        with subtests.test(make=make):
            auth: Any = make(CLIENT_ID, Secret(CANARY))
            used = auth.apply("https://api.example.com/token")
            copied = copy.deepcopy(auth).apply("https://api.example.com/token")
            assert (copied.headers, copied.body) == (used.headers, used.body)


def test_credentials_show_nothing() -> None:
    assert repr(Credentials({"Authorization": "x"}, (("client_secret", "x"),), (Secret("x"),))) == "<Credentials **>"


def test_of_basic_the_secret_its_encoded_form_and_what_stands_in_the_header_are_secret() -> None:
    credentials = ClientSecretBasic("shop", Secret(CANARY), "form").apply(URL)
    pair = base64.b64encode(f"shop:{urllib.parse.quote_plus(CANARY)}".encode()).decode()
    assert [secret.reveal() for secret in credentials.secrets] == [CANARY, urllib.parse.quote_plus(CANARY), pair]


def test_invalid_credentials_are_described_without_their_values() -> None:
    with pytest.raises(ConfigurationError) as of_id:
        ClientSecretBasic("", Secret(CANARY))
    with pytest.raises(ConfigurationError) as of_secret:
        ClientSecretBasic("shop", Secret(f"{CANARY}\n"))
    assert of_id.value.message == "The client id is empty, or contains a line break or another control character."
    assert of_secret.value.message == (
        "The secret of client id 'shop' is empty, or contains a line break or another control character."
    )
    assert of_secret.value.remedy == "Look for a line break at the end of the file or variable that it comes from."


@pytest.mark.pitfall(id="chained-errors")
def test_what_is_sent_is_not_pickled(subtests: pytest.Subtests) -> None:
    credentials = ClientSecretBasic("shop", Secret(CANARY)).apply("")
    request = TokenRequest("https://a.example", credentials.headers, b"", timeout=1.0, total_seconds=1.0)
    dumps: dict[str, Callable[[Any], object]] = {
        "pickle": pickle.dumps,
        "copy": copy.copy,
        "state": lambda holder: holder.__getstate__(),
    }
    for holder in (credentials, request):
        for name, dump in dumps.items():
            with subtests.test(f"{holder} {name}"):
                with pytest.raises(TypeError, match="cannot be pickled") as caught:
                    dump(holder)
                assert CANARY not in str(caught.value)
