from __future__ import annotations

import dataclasses
import gzip
import json
import pickle
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware.errors import (
    CredentialsRefusedError,
    InvalidTokenResponseError,
    TokenEndpointUnavailableError,
    TokenError,
    TokenRequestRefusedError,
)
from prio_middleware.retry_after import MAX_WAIT
from prio_middleware.secret import Secret
from prio_middleware.text import CODE_LIMIT, URL_LIMIT, WITHHELD
from prio_middleware.tokens.answer import ANSWER_LIMIT, SCOPE_LIMIT, TOKEN_LIMIT, TokenAnswer, read_answer
from prio_middleware.tokens.expiry import ExpiryPolicy
from prio_middleware.tokens.token import AccessToken

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzaG9wIn0.c2lnbmF0dXJl-_"
TOKEN = {"access_token": JWT, "token_type": "Bearer", "expires_in": 3600, "scope": "distributor.booking"}
JSON = "application/json"


def answer(status: int, content: object = b"", **headers: str) -> TokenAnswer:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return TokenAnswer(status, httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), body)


def read(given: TokenAnswer) -> AccessToken | TokenError:
    return read_answer(given, 1000.0, ExpiryPolicy())


def token(**members: Any) -> AccessToken:
    """The token in a good answer with these members, None for one that is left out."""
    content = {name: value for name, value in {**TOKEN, **members}.items() if value is not None}
    read_token = read(answer(200, content, content_type=JSON))
    assert isinstance(read_token, AccessToken)
    return read_token


def error(given: TokenAnswer, kind: type[TokenError]) -> TokenError:
    found = read(given)
    assert isinstance(found, TokenError)
    assert type(found) is kind
    assert str(found).endswith(".")
    assert (found.__traceback__, found.__cause__, found.__context__) == (None, None, None)
    return found


def test_a_token_response_becomes_a_token() -> None:
    found = token()
    assert found.authorization() == f"Bearer {JWT}"
    assert (found.scope, found.lifetime) == ("distributor.booking", 3600.0)
    assert (found.expires_at, found.fresh_until) == (4600.0, 4570.0)
    assert JWT not in repr(found)


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize("content_type", [JSON, "text/plain", ""])
def test_what_counts_is_the_body(status: int, content_type: str) -> None:
    assert isinstance(read(answer(status, TOKEN, content_type=content_type)), AccessToken)


def test_half_an_answer_is_no_token_even_if_it_could_be_read() -> None:
    cut_off = TokenAnswer(200, {"content-type": JSON}, json.dumps(TOKEN).encode(), truncated=True)
    assert f"more than {ANSWER_LIMIT} bytes" in str(error(cut_off, InvalidTokenResponseError))


def test_a_compressed_answer_that_was_not_asked_for_is_read_all_the_same() -> None:
    compressed = answer(200, gzip.compress(json.dumps(TOKEN).encode()), content_encoding="gzip")
    assert isinstance(read(compressed), AccessToken)


@pytest.mark.pitfall(id="token-type")
@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER", None])
def test_bearer_in_any_case_is_sent_as_rfc_6750_spells_it(token_type: str | None) -> None:
    assert token(token_type=token_type).authorization() == f"Bearer {JWT}"


@pytest.mark.parametrize(
    ("members", "lifetime", "leeway"),
    [
        ({"expires_in": None}, 300.0, 30.0),
        ({"expires_in": 0}, 0.0, 0.0),
        ({"expires_in": -5}, 0.0, 0.0),
        ({"expires_in": "60"}, 60.0, 6.0),
        ({"expires_in": 3.0}, 3.0, 0.3),
        ({"expires_in": 10**12}, 86_400.0, 30.0),
    ],
)
def test_its_life_counts_from_the_moment_it_was_asked_for(members: dict[str, Any], lifetime: float, leeway: float) -> None:
    found = token(**members)
    assert found.lifetime == lifetime
    assert found.expires_at == 1000.0 + lifetime
    assert found.fresh_until == pytest.approx(1000.0 + lifetime - leeway)


@pytest.mark.parametrize("value", ["a", "a" * TOKEN_LIMIT, "1|abc:def!", "mF_9.B5f-4.1JqM==", "~!@#$%^&*()"])
def test_opaque_tokens_are_taken_as_they_are(value: str) -> None:
    assert token(access_token=value).value.reveal() == value


@pytest.mark.parametrize("scope", [5, ["a"], "", "a\nb", 'a"b', "é", "a" * (SCOPE_LIMIT + 1), f"holds {JWT}", {"a": "b"}])
def test_a_scope_that_is_none_is_left_out(scope: object) -> None:
    assert token(scope=scope).scope is None


@pytest.mark.parametrize("empty", [None, "", False])
def test_an_error_that_says_nothing_is_no_error(empty: object) -> None:
    assert isinstance(read(answer(200, {**TOKEN, "error": empty})), AccessToken)


@pytest.mark.pitfall(id="expires-in")
@pytest.mark.pitfall(id="token-type")
@pytest.mark.pitfall(id="control-characters")
@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"access_token": None}, "no access_token"),
        ({"access_token": ""}, "no access_token"),
        ({"access_token": 5}, "no access_token"),
        ({"access_token": ["x"]}, "no access_token"),
        ({"access_token": "a" * (TOKEN_LIMIT + 1)}, "more than 16384 characters"),
        *(({"access_token": f"{JWT}{bad}b"}, "no header may hold") for bad in " \r\n\t\x00\x7f\u00e9\u2028\ud800"),
        ({"access_token": "abc\n"}, "no header may hold"),
        ({"token_type": "mac"}, "token_type is mac"),
        ({"token_type": "DPoP"}, "token_type is DPoP"),
        ({"token_type": ""}, "token_type is no text"),
        ({"token_type": 5}, "token_type is no text"),
        ({"token_type": "Bearer\r\nX-Evil: 1"}, "token_type is Bearer X-Evil: 1"),
        ({"token_type": JWT}, "withheld"),
        ({"expires_in": "soon"}, "expires_in is not a number"),
        ({"expires_in": True}, "expires_in is not a number"),
        ({"expires_in": [3600]}, "expires_in is not a number"),
    ],
)
def test_a_token_that_cannot_be_used_is_refused(members: dict[str, Any], problem: str) -> None:
    found = error(answer(200, {**TOKEN, **members}, content_type=JSON), InvalidTokenResponseError)
    assert problem in str(found)
    assert found.status_code == 200
    assert JWT not in f"{found} {vars(found)}"
    assert str(found).isprintable()


@pytest.mark.pitfall(id="odd-answers")
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (answer(200), "200 with 0 bytes of an unnamed type, and no token: the body is not a JSON object"),
        (answer(204), "204 with 0 bytes"),
        (answer(200, b"<html>CANARY</html>", content_type="text/html; charset=utf-8"), "19 bytes of text/html, and no token"),
        (answer(200, b"access_token=CANARY&token_type=bearer", content_type="application/x-www-form-urlencoded"), "urlencoded"),
        (answer(200, b"CANARY", content_type="text/\x00plain" + "x" * 1000), "6 bytes of text/ plain"),
        (answer(200, b"[]", content_type=JSON), "not a JSON object"),
        (answer(200, b'"CANARY"', content_type=JSON), "not a JSON object"),
        (answer(200, b"\xff\xfeCANARY", content_type=JSON), "not a JSON object"),
        (answer(200, b"[" * 1_000_000, content_type=JSON), "not a JSON object"),
        (answer(200, b'{"expires_in": ' + b"9" * 5000 + b"}"), "not a JSON object"),
        (answer(200, b'{"expires_in": NaN}'), "not a JSON object"),
        (answer(200, b'{"access_token": "CANARY", "access_token": "b"}'), "not a JSON object"),
        (answer(200, b"{}"), "there is no access_token"),
        (answer(200, b"CANARY", content_encoding="br"), "other than gzip and deflate"),
        (answer(200, b"CANARY", content_encoding="gzip"), "not in the content encoding it names"),
        (answer(200, gzip.compress(bytes(ANSWER_LIMIT + 1)), content_encoding="gzip"), "too long once it is decoded"),
        (TokenAnswer(200, httpx.Headers(), bytes(ANSWER_LIMIT), truncated=True), "more than 1048576 bytes"),
        (TokenAnswer(200), "not a JSON object"),
    ],
)
def test_anything_else_under_200_is_described_but_not_repeated(given: TokenAnswer, problem: str) -> None:
    found = error(given, InvalidTokenResponseError)
    assert problem in str(found)
    assert "CANARY" not in f"{found} {vars(found)}"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("content", [b"", b"<html>", TOKEN, {"error": "invalid_client"}])
def test_a_busy_server_is_worth_another_try(status: int, content: object) -> None:
    found = error(answer(status, content), TokenEndpointUnavailableError)
    assert f"cannot answer now: {status}" in str(found)
    assert found.status_code == status
    assert found.retry_after is None


@pytest.mark.parametrize("code", ["server_error", "temporarily_unavailable"])
@pytest.mark.parametrize("status", [200, 400, 401])
def test_so_is_one_that_says_so_in_its_code(status: int, code: str) -> None:
    assert error(answer(status, {"error": code}), TokenEndpointUnavailableError).code == code


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "Sun, 06 Nov 1994 08:50:37 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 60.0),
        ({"retry_after": "99999999999"}, MAX_WAIT),
        ({"retry_after": "-7"}, None),
        ({"retry_after": "soon"}, None),
    ],
)
def test_it_may_say_when(headers: dict[str, str], seconds: float | None) -> None:
    assert error(answer(503, **headers), TokenEndpointUnavailableError).retry_after == seconds


def test_no_answer_at_all_is_worth_another_try() -> None:
    found = error(TokenAnswer(failure="ConnectError: refused\r\nX: y"), TokenEndpointUnavailableError)
    assert "no answer: ConnectError: refused X: y." in str(found)
    assert found.status_code is None
    assert "nobody said why" in str(error(TokenAnswer(failure=""), TokenEndpointUnavailableError))


@pytest.mark.pitfall(id="redirected-token-request")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://user:pw@other.example:8443/t?secret=1", "https://other.example:8443/t."),
        ("/elsewhere", "/elsewhere."),
        ("//other.example/", "//other.example/."),
        ("", "an unnamed place."),
        ("https://[broken", "cannot be read"),
        ("https://other.example/\x1b[31m", "https://other.example/ [31m."),
    ],
)
def test_a_redirect_is_named_and_not_followed(status: int, location: str, shown: str) -> None:
    found = error(answer(status, TOKEN, location=location), InvalidTokenResponseError)
    assert f"redirects with {status} to " in str(found)
    assert shown in str(found)
    assert "pw" not in str(found)
    assert "token URL" in str(found)


def test_a_redirect_may_lead_nowhere() -> None:
    assert "304" in str(error(answer(304), InvalidTokenResponseError))


@pytest.mark.pitfall(id="odd-answers")
@pytest.mark.parametrize("status", [200, 400, 403, 422])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_client", CredentialsRefusedError),
        ("unauthorized_client", CredentialsRefusedError),
        ("invalid_request", TokenRequestRefusedError),
        ("invalid_grant", TokenRequestRefusedError),
        ("invalid_scope", TokenRequestRefusedError),
        ("unsupported_grant_type", TokenRequestRefusedError),
        ("THE_VENDORS_OWN", TokenRequestRefusedError),
    ],
)
def test_the_code_tells_a_refusal_of_the_credentials(status: int, code: str, kind: type[TokenError]) -> None:
    found = error(answer(status, {"error": code}), kind)
    assert (found.code, found.status_code) == (code, status)
    assert f"{status} {code}" in str(found)


@pytest.mark.parametrize("content", [b"", b"<html>", {"error": "THE_VENDORS_OWN"}, {"error": 5}, {"error": "invalid_client"}])
def test_401_is_about_the_credentials(content: object) -> None:
    error(answer(401, content), CredentialsRefusedError)


@pytest.mark.parametrize("code", ["invalid_scope", "invalid_request", "unsupported_grant_type"])
def test_unless_its_code_says_otherwise(code: str) -> None:
    error(answer(401, {"error": code}), TokenRequestRefusedError)


@pytest.mark.parametrize("content", [{"error": 5}, {"error": {"code": "x"}}, {"error": ["x"]}, {"error": True}])
def test_a_code_that_is_no_text_is_still_an_error(content: object) -> None:
    assert error(answer(200, content), TokenRequestRefusedError).code is None


@pytest.mark.pitfall(id="odd-answers")
@pytest.mark.parametrize(
    ("status", "remedy"),
    [(403, "bare 403"), (404, "token URL"), (405, "token URL"), (407, "proxy"), (410, "token URL"), (418, "scope")],
)
@pytest.mark.parametrize("content", [b"", b"<html>", {"error": "invalid_request"}, {"error": "THE_VENDORS_OWN"}])
def test_other_statuses_have_remedies_of_their_own(status: int, remedy: str, content: object) -> None:
    assert remedy in (error(answer(status, content), TokenRequestRefusedError).remedy or "")


def test_the_servers_words_are_repeated() -> None:
    members = {
        "error": "invalid_scope",
        "error_description": "The scope is\r\nunknown.",
        "error_uri": "https://docs.example/scopes",
        "error_reference": "ref-1",
    }
    found = error(answer(400, members), TokenRequestRefusedError)
    assert "400 invalid_scope, The scope is unknown, https://docs.example/scopes." in str(found)
    assert found.error_reference == "ref-1"


def test_the_vendors_own_message_counts_as_description() -> None:
    found = error(answer(400, {"error": "X", "error_message": "Not so."}), TokenRequestRefusedError)
    assert "400 X, Not so." in str(found)


def test_a_token_beside_an_error_is_not_repeated() -> None:
    members = {"error": "odd", "error_description": f"Here: {JWT}", "access_token": JWT, "error_reference": JWT}
    found = error(answer(200, members), TokenRequestRefusedError)
    assert JWT not in f"{found} {vars(found)}"


def test_an_answer_prints_itself_without_its_body() -> None:
    assert repr(answer(200, TOKEN)) == "<TokenAnswer 200>"
    assert repr(TokenAnswer(failure="ReadTimeout")) == "<TokenAnswer ReadTimeout>"


def test_an_answer_cannot_be_dumped() -> None:
    answer = TokenAnswer(200, {}, b"the token")
    assert not dataclasses.is_dataclass(answer)
    with pytest.raises(TypeError, match=r"^The token endpoint's answer cannot be pickled: .* a token in the clear\.$"):
        pickle.dumps(answer)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from([*TOKEN, "error", "error_description", "error_message", "error_uri", "error_reference", "id_token"])
contents = (
    st.binary() | st.dictionaries(names, json_values) | st.dictionaries(names, json_values).map(lambda more: TOKEN | more)
)
header_names = st.sampled_from(["content-type", "content-encoding", "location", "retry-after", "date"])
secrets = st.lists(st.text().map(Secret), max_size=2)


@pytest.mark.pitfall(id="odd-answers")
@given(st.integers(0, 999), contents, st.dictionaries(header_names, st.text()), st.none() | st.text(), secrets)
def test_any_answer_is_a_token_or_an_error_of_the_tree(
    status: int, content: object, headers: dict[str, str], failure: str | None, sent: list[Secret]
) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    found = read_answer(TokenAnswer(status, headers, body, failure=failure), 0.0, ExpiryPolicy(), sent)
    if isinstance(found, AccessToken):
        assert found.authorization().isascii()
        assert found.authorization().isprintable()
        assert 0 <= found.fresh_until <= found.expires_at <= ExpiryPolicy().max_lifetime
    else:
        assert isinstance(found, TokenError)
        assert len(str(found)) < 1500
        assert str(found).isprintable()


@pytest.mark.parametrize(
    ("given", "message", "remedy"),
    [
        (
            TokenAnswer(failure=""),
            "The token endpoint gave no answer: nobody said why.",
            TokenEndpointUnavailableError.default_remedy,
        ),
        (answer(503), "The token endpoint cannot answer now: 503.", "Try again later: nothing needs a restart."),
        (
            answer(307, location="https://other.example/"),
            (
                "The token endpoint redirects with 307 to https://other.example/. "
                "That is not followed: the credentials would go there."
            ),
            "If the server belongs there, make that the token URL.",
        ),
        (
            answer(200, {**TOKEN, "token_type": "mac"}),
            "The token endpoint answered 200 with 148 bytes of an unnamed type, and no token: the token_type is mac.",
            "Have the server issue Bearer tokens: no others are known here.",
        ),
        (
            answer(400, {"error": "invalid_scope", "error_description": "No such BOX."}),
            "The token endpoint refused the request: 400 invalid_scope, No such BOX.",
            TokenRequestRefusedError.default_remedy,
        ),
    ],
)
def test_what_is_said_and_what_to_do(given: TokenAnswer, message: str, remedy: str) -> None:
    found = read(given)
    assert isinstance(found, TokenError)
    assert (found.message, found.remedy) == (message, remedy)


def test_of_a_place_as_much_is_repeated_as_of_any_url_and_of_a_type_as_much_as_of_a_code() -> None:
    far = "https://other.example/" + "a" * 1000
    place = error(answer(307, location=far), InvalidTokenResponseError)
    kind = error(answer(200, content_type="t" * 1000), InvalidTokenResponseError)

    assert f" to {far[: URL_LIMIT - 1]}~. " in place.message
    assert f" of {'t' * (CODE_LIMIT - 1)}~, " in kind.message


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (299, "answered 299 with 0 bytes"),
        (300, "redirects with 300"),
        (399, "redirects with 399"),
        (400, "refused the request: 400."),
    ],
)
def test_where_one_kind_of_status_ends_and_the_next_begins(status: int, said: str) -> None:
    found = read(answer(status))
    assert isinstance(found, TokenError)
    assert said in found.message


@pytest.mark.parametrize("name", ["access_token", "refresh_token", "id_token"])
def test_no_token_of_an_answer_is_repeated_from_elsewhere_in_it(name: str) -> None:
    found = error(answer(400, {name: JWT, "error_description": f"What about {JWT}?"}), TokenRequestRefusedError)
    assert WITHHELD in found.message


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"access_token": None}, "there is no access_token"),
        ({"access_token": "a b"}, "the access_token has characters that no header may hold"),
        ({"expires_in": "soon"}, "expires_in is not a number of seconds"),
        ({"token_type": "t" * 1000}, f"the token_type is {'t' * (CODE_LIMIT - 1)}~"),
    ],
)
def test_what_is_wrong_with_a_token_is_said_in_so_many_words(members: dict[str, Any], problem: str) -> None:
    found = error(answer(200, {**TOKEN, **members}), InvalidTokenResponseError)
    assert found.message.endswith(f" bytes of an unnamed type, and no token: {problem}.")


def test_a_long_scope_is_kept_whole() -> None:
    assert token(scope="a" * SCOPE_LIMIT).scope == "a" * SCOPE_LIMIT
