from __future__ import annotations

import dataclasses
import gzip
import json
import logging
import pickle
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prio_middleware._util.redaction import CODE_LIMIT, URL_LIMIT, WITHHELD
from prio_middleware._util.retry_after import MAX_WAIT
from prio_middleware._util.secret import Secret
from prio_middleware.errors import (
    CredentialsRefusedError,
    InvalidTokenResponseError,
    TokenEndpointUnavailableError,
    TokenError,
    TokenRequestRefusedError,
)
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS, AccessToken, ExpiryPolicy
from prio_middleware.oauth.token_response import RESPONSE_LIMIT, SCOPE_LIMIT, TOKEN_LIMIT, Cause, TokenResponse, parse_response
from tests.oauth.helpers import endpoint

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzaG9wIn0.c2lnbmF0dXJl-_"
TOKEN = {"access_token": JWT, "token_type": "Bearer", "expires_in": 3600, "scope": "distributor.booking"}
JSON = "application/json"


def answer(status: int, content: object = b"", **headers: str) -> TokenResponse:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return TokenResponse(status, httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), body)


def read(given: TokenResponse) -> AccessToken | TokenError:
    return parse_response(given, 1000.0, ExpiryPolicy(jitter=0.0))


def token(**members: Any) -> AccessToken:
    """The token in a good answer with these members, None for one that is left out."""
    content = {name: value for name, value in {**TOKEN, **members}.items() if value is not None}
    read_token = read(answer(200, content, content_type=JSON))
    assert isinstance(read_token, AccessToken)
    return read_token


def error(given: TokenResponse, kind: type[TokenError]) -> TokenError:
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


def test_what_counts_is_the_body(subtests: pytest.Subtests) -> None:
    for content_type in (JSON, "text/plain", ""):
        for status in (200, 201):
            with subtests.test(status=status, content_type=content_type):
                assert isinstance(read(answer(status, TOKEN, content_type=content_type)), AccessToken)


def test_half_an_answer_is_no_token_even_if_it_could_be_read() -> None:
    cut_off = TokenResponse(200, {"content-type": JSON}, json.dumps(TOKEN).encode(), truncated=True)
    assert f"more than {RESPONSE_LIMIT} bytes" in str(error(cut_off, InvalidTokenResponseError))


def test_a_compressed_answer_that_was_not_asked_for_is_read_all_the_same() -> None:
    compressed = answer(200, gzip.compress(json.dumps(TOKEN).encode()), content_encoding="gzip")
    assert isinstance(read(compressed), AccessToken)


@pytest.mark.pitfall(id="token-type")
def test_bearer_in_any_case_is_sent_as_rfc_6750_spells_it(subtests: pytest.Subtests) -> None:
    for token_type in ("Bearer", "bearer", "BEARER", " Bearer ", None):
        with subtests.test(token_type=token_type):
            assert token(token_type=token_type).authorization() == f"Bearer {JWT}"


def test_a_lifetime_counts_from_the_token_request(subtests: pytest.Subtests) -> None:
    rows: list[tuple[dict[str, Any], float, float]] = [
        ({"expires_in": None}, 300.0, 30.0),
        ({"expires_in": 0}, 1.0, 0.0),
        ({"expires_in": -5}, 1.0, 0.0),
        ({"expires_in": "60"}, 60.0, 6.0),
        ({"expires_in": 3.0}, 3.0, 0.3),
        ({"expires_in": 10**12}, 86_400.0, 30.0),
    ]
    for members, lifetime, leeway in rows:
        with subtests.test(members=members, lifetime=lifetime, leeway=leeway):
            found = token(**members)
            assert found.lifetime == lifetime
            assert found.expires_at == 1000.0 + lifetime
            assert found.fresh_until == pytest.approx(1000.0 + lifetime - leeway)


@pytest.mark.pitfall(id="expires-in")
def test_a_lifetime_in_odd_clothes_costs_no_token(subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture) -> None:
    rows: list[tuple[object, float]] = [
        ("", 300.0),
        ("soon", 300.0),
        (True, 300.0),
        ([3600], 300.0),
        ({"seconds": 60}, 300.0),
        ("3600s", 3600.0),
        ("60", 60.0),
    ]
    for expires_in, lifetime in rows:
        with subtests.test(expires_in=expires_in, lifetime=lifetime):
            caplog.clear()
            with caplog.at_level(logging.DEBUG, "prio_middleware"):
                assert token(expires_in=expires_in).lifetime == lifetime
            (record,) = caplog.records
            assert "expires_in" in record.getMessage()
            assert (record.levelname, "soon" in record.getMessage()) == ("DEBUG", False)
            assert "None" not in record.getMessage()


def test_a_lifetime_in_ordinary_clothes_is_not_worth_a_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "prio_middleware"):
        token(expires_in=3600)
        token(expires_in=None)
    assert caplog.records == []


def test_the_line_on_an_odd_lifetime_names_event_and_client(caplog: pytest.LogCaptureFixture) -> None:
    odd = answer(200, {**TOKEN, "expires_in": "soon"}, content_type=JSON)
    with caplog.at_level(logging.DEBUG, "prio_middleware"):
        parse_response(odd, 0.0, ExpiryPolicy())
        made = endpoint()
        made.read(odd, 0.0, made.request(DEFAULT_OPTIONS, 30.0, 0.0))

    fields = [(vars(record)["prio_event"], vars(record)["prio_client"]) for record in caplog.records]
    assert fields == [("odd_expires_in", "default"), ("odd_expires_in", "shop")]
    assert "shop" in caplog.records[1].getMessage()


def test_the_longest_lifetime_bounds_the_default() -> None:
    found = parse_response(answer(200, {**TOKEN, "expires_in": "soon"}), 0.0, ExpiryPolicy(300.0, 0.5))
    assert isinstance(found, AccessToken)
    assert found.lifetime == 0.5


@pytest.mark.pitfall(id="token-type")
def test_a_scheme_that_is_set_goes_before_the_token_whatever_its_type(subtests: pytest.Subtests) -> None:
    token_types: list[object] = ["BearerToken", "Bearer ", "jwt", "mac", "", 5, None, "Bearer\r\nX: 1"]
    for token_type in token_types:
        with subtests.test(token_type=token_type):
            found = parse_response(answer(200, {**TOKEN, "token_type": token_type}), 0.0, ExpiryPolicy(), scheme="JWT")
            assert isinstance(found, AccessToken)
            assert found.authorization() == f"JWT {JWT}"


def test_the_code_of_an_error_in_latin_1_is_read() -> None:
    body = '{"error": "invalid_client", "error_description": "Ungültig"}'.encode("latin-1")
    assert error(answer(400, body), CredentialsRefusedError).code == "invalid_client"


def test_opaque_tokens_are_taken_as_they_are(subtests: pytest.Subtests) -> None:
    values: list[str] = ["a", "a" * TOKEN_LIMIT, "1|abc:def!", "mF_9.B5f-4.1JqM==", "~!@#$%^&*()"]
    for value in values:
        with subtests.test(value=value):
            assert token(access_token=value).value.reveal() == value


def test_a_scope_that_is_none_is_left_out(subtests: pytest.Subtests) -> None:
    scopes: list[object] = [5, ["a"], "", "a\nb", 'a"b', "é", "a" * (SCOPE_LIMIT + 1), f"holds {JWT}", {"a": "b"}]
    for scope in scopes:
        with subtests.test(scope=scope):
            assert token(scope=scope).scope is None


def test_an_error_that_says_nothing_is_no_error(subtests: pytest.Subtests) -> None:
    for empty in (None, "", False):
        with subtests.test(empty=empty):
            assert isinstance(read(answer(200, {**TOKEN, "error": empty})), AccessToken)


@pytest.mark.pitfall(id="token-type")
@pytest.mark.pitfall(id="control-characters")
def test_a_token_that_cannot_be_used_is_refused(subtests: pytest.Subtests) -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        ({"access_token": None}, "no access_token"),
        ({"access_token": ""}, "no access_token"),
        ({"access_token": 5}, "no access_token"),
        ({"access_token": ["x"]}, "no access_token"),
        ({"access_token": "a" * (TOKEN_LIMIT + 1)}, "more than 16384 characters"),
        *(({"access_token": f"{JWT}{bad}b"}, "invalid in a header") for bad in " \r\n\t\x00\x7f\u00e9\u2028\ud800"),
        ({"access_token": "abc\n"}, "invalid in a header"),
        ({"token_type": "mac"}, "token_type is mac"),
        ({"token_type": "DPoP"}, "token_type is DPoP"),
        ({"token_type": ""}, "token_type is no text"),
        ({"token_type": 5}, "token_type is no text"),
        ({"token_type": "Bearer\r\nX-Evil: 1"}, "token_type is Bearer X-Evil: 1"),
        ({"token_type": JWT}, "withheld"),
    ]
    for members, problem in rows:
        with subtests.test(members=members, problem=problem):
            found = error(answer(200, {**TOKEN, **members}, content_type=JSON), InvalidTokenResponseError)
            assert problem in str(found)
            assert found.status_code == 200
            assert JWT not in f"{found} {vars(found)}"
            assert str(found).isprintable()


@pytest.mark.pitfall(id="odd-answers")
def test_anything_else_under_200_is_described_but_not_repeated(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenResponse, str]] = [
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
        (answer(200, b"CANARY", content_encoding="compress"), "other than gzip and deflate"),
        (answer(200, b"CANARY", content_encoding="gzip"), "not in the content encoding it names"),
        (answer(200, gzip.compress(bytes(RESPONSE_LIMIT + 1)), content_encoding="gzip"), "too long once it is decoded"),
        (TokenResponse(200, httpx.Headers(), bytes(RESPONSE_LIMIT), truncated=True), "more than 1048576 bytes"),
        (TokenResponse(200), "not a JSON object"),
    ]
    for came, problem in rows:
        with subtests.test(came=came, problem=problem):
            found = error(came, InvalidTokenResponseError)
            assert problem in str(found)
            assert "CANARY" not in f"{found} {vars(found)}"


def test_a_busy_server_is_worth_another_try(subtests: pytest.Subtests) -> None:
    rows: list[tuple[int, object]] = [
        *((status, b"") for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        *((503, content) for content in (b"<html>", TOKEN, {"error": "invalid_client"})),
    ]
    for status, content in rows:
        with subtests.test(status=status, content=content):
            found = error(answer(status, content), TokenEndpointUnavailableError)
            assert f"is unavailable: {status}" in str(found)
            assert (found.status_code, found.retry_after) == (status, None)


def test_a_temporary_error_code_is_worth_another_try(subtests: pytest.Subtests) -> None:
    for status in (200, 400, 401):
        for code in ("server_error", "temporarily_unavailable"):
            with subtests.test(code=code, status=status):
                assert error(answer(status, {"error": code}), TokenEndpointUnavailableError).code == code


def test_a_busy_server_may_send_retry_after(subtests: pytest.Subtests) -> None:
    rows: list[tuple[dict[str, str], float | None]] = [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "Sun, 06 Nov 1994 08:50:37 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 60.0),
        ({"retry_after": "99999999999"}, MAX_WAIT),
        ({"retry_after": "-7"}, None),
        ({"retry_after": "soon"}, None),
    ]
    for headers, seconds in rows:
        with subtests.test(headers=headers, seconds=seconds):
            assert error(answer(503, **headers), TokenEndpointUnavailableError).retry_after == seconds


def test_no_answer_at_all_is_worth_another_try() -> None:
    found = error(TokenResponse(failure="ConnectError: refused\r\nX: y"), TokenEndpointUnavailableError)
    assert "no answer: ConnectError: refused X: y." in str(found)
    assert found.status_code is None
    assert "unknown reason" in str(error(TokenResponse(failure=""), TokenEndpointUnavailableError))


def test_some_causes_of_no_answer_have_a_remedy_of_their_own() -> None:
    causes: tuple[Cause, ...] = ("unknown_host", "untrusted_certificate", "unexpected", "connection_refused", "timeout")
    found = {cause: error(TokenResponse(failure="x", cause=cause), TokenEndpointUnavailableError) for cause in causes}

    assert {cause: vars(each)["cause"] for cause, each in found.items()} == {cause: cause for cause in causes}
    assert len({each.remedy for each in found.values()}) == len(causes)
    assert found["timeout"].remedy == TokenEndpointUnavailableError.default_remedy


@pytest.mark.pitfall(id="redirected-token-request")
def test_a_redirect_is_named_and_not_followed(subtests: pytest.Subtests) -> None:
    rows: list[tuple[str, str]] = [
        ("https://user:pw@other.example:8443/t?secret=1", "https://other.example:8443/t."),
        ("/elsewhere", "/elsewhere."),
        ("//other.example/", "//other.example/."),
        ("", "an unnamed URL."),
        ("https://[broken", "cannot be parsed"),
        ("https://other.example/\x1b[31m", "https://other.example/ [31m."),
    ]
    for location, shown in rows:
        with subtests.test(location=location, shown=shown):
            for status in (301, 302, 303, 307, 308):
                found = error(answer(status, TOKEN, location=location), InvalidTokenResponseError)
                assert f"redirects with {status} to " in str(found)
                assert shown in str(found)
                assert "pw" not in str(found)
                assert "token URL" in str(found)


def test_a_redirect_may_lead_nowhere() -> None:
    assert "304" in str(error(answer(304), InvalidTokenResponseError))


@pytest.mark.pitfall(id="odd-answers")
def test_the_error_code_tells_refused_credentials(subtests: pytest.Subtests) -> None:
    rows: list[tuple[str, type[TokenError]]] = [
        ("invalid_client", CredentialsRefusedError),
        ("unauthorized_client", TokenRequestRefusedError),
        ("access_denied", TokenRequestRefusedError),
        ("invalid_target", TokenRequestRefusedError),
        ("invalid_request", TokenRequestRefusedError),
        ("invalid_grant", TokenRequestRefusedError),
        ("invalid_scope", TokenRequestRefusedError),
        ("unsupported_grant_type", TokenRequestRefusedError),
        ("THE_VENDORS_OWN", TokenRequestRefusedError),
    ]
    for code, kind in rows:
        with subtests.test(code=code, kind=kind):
            for status in (200, 400, 403, 422):
                found = error(answer(status, {"error": code}), kind)
                assert (found.code, found.status_code) == (code, status)
                assert f"{status} {code}" in str(found)


@pytest.mark.pitfall(id="one-forbidden-scope")
def test_a_bare_401_is_about_the_credentials(subtests: pytest.Subtests) -> None:
    contents: list[object] = [b"", b"<html>", {"message": "no"}, {"error": 5}, {"error": "invalid_client"}]
    for content in contents:
        with subtests.test(content=content):
            error(answer(401, content), CredentialsRefusedError)


@pytest.mark.pitfall(id="one-forbidden-scope")
def test_a_401_with_another_code_is_about_the_request(subtests: pytest.Subtests) -> None:
    codes: list[str] = ["access_denied", "unauthorized_client", "invalid_scope", "invalid_target", "THE_VENDORS_OWN"]
    for code in codes:
        with subtests.test(code=code):
            found = error(answer(401, {"error": code}), TokenRequestRefusedError)
            assert type(found) is TokenRequestRefusedError
            assert "credentials" in found.remedy


def test_a_code_that_is_no_text_is_still_an_error(subtests: pytest.Subtests) -> None:
    contents: list[object] = [{"error": 5}, {"error": {"code": "x"}}, {"error": ["x"]}, {"error": True}]
    for content in contents:
        with subtests.test(content=content):
            assert error(answer(200, content), TokenRequestRefusedError).code is None


@pytest.mark.pitfall(id="odd-answers")
def test_other_statuses_have_remedies_of_their_own(subtests: pytest.Subtests) -> None:
    contents: list[object] = [b"", {"error": "invalid_request"}, {"error": "THE_VENDORS_OWN"}]
    rows: list[tuple[int, str]] = [
        (403, "bare 403"),
        (404, "token URL"),
        (405, "token URL"),
        (407, "proxy"),
        (410, "token URL"),
        (418, "scope"),
    ]
    for status, remedy in rows:
        with subtests.test(status=status, remedy=remedy):
            for content in contents:
                assert remedy in error(answer(status, content), TokenRequestRefusedError).remedy


WAF = b"""<!doctype html><html><head><title>403 Forbidden</title><style>b { color: red }</style></head>
<body><script>var ray = "8c1f2a7b9d0e4f61"</script>Access denied.</body></html>"""


@pytest.mark.pitfall(id="foreign-refusal")
def test_a_foreign_error_page_is_described_and_blames_no_credentials(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenResponse, str]] = [
        (answer(403, WAF, content_type="text/html; charset=utf-8"), "173 bytes of text/html ('403 Forbidden')"),
        (answer(418, b"Blocked by policy, see 8c1f2a7b9d0e4f61", content_type="text/plain"), "('Blocked by policy, see')"),
        (answer(400, b"8c1f2a7b9d0e4f61", content_type="text/plain"), "16 bytes of text/plain."),
        (answer(403, {"message": "Forbidden"}, content_type=JSON), "24 bytes of application/json."),
        (answer(403, gzip.compress(b"Go away"), content_type="text/plain", content_encoding="gzip"), "('Go away')"),
        (answer(403, b"Go away", content_type="text/plain", content_encoding="br"), "7 bytes of text/plain."),
        (TokenResponse(403, {"content-type": "text/html"}, b"<b>Go", truncated=True), "more than 1048576 bytes of text/html."),
    ]
    for came, described in rows:
        with subtests.test(came=came, described=described):
            found = error(came, TokenRequestRefusedError)
            assert "The answer is not an OAuth error: " in found.message
            assert described in found.message
            assert "token_headers" in found.remedy
            assert "8c1f" not in str(found)


def test_an_error_in_the_servers_own_json_is_no_firewalls() -> None:
    found = error(answer(400, {"message": "No such box."}, content_type=JSON), TokenRequestRefusedError)
    assert "not an OAuth error" in found.message
    assert found.remedy == TokenRequestRefusedError.default_remedy


def test_a_page_that_repeats_a_secret_is_withheld() -> None:
    page = answer(403, b"No entry for hunter two hunter three", content_type="text/plain")
    found = parse_response(page, 0.0, ExpiryPolicy(), [Secret("hunter two hunter")])
    assert WITHHELD in str(found)
    assert "hunter" not in str(found)


def test_the_text_of_a_busy_server_is_described() -> None:
    found = error(answer(503, b"<h1>Back soon</h1>", content_type="text/html"), TokenEndpointUnavailableError)
    assert "is unavailable: 503 with 18 bytes of text/html ('Back soon')." in found.message


def test_a_page_in_another_encoding_is_described_all_the_same() -> None:
    found = error(answer(503, b"<h1>Closed Caf\xe9</h1>", content_type="text/html"), TokenEndpointUnavailableError)
    assert "('Closed')" in found.message


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
    assert repr(answer(200, TOKEN)) == "<TokenResponse 200>"
    assert repr(TokenResponse(failure="ReadTimeout")) == "<TokenResponse ReadTimeout>"


def test_an_answer_cannot_be_dumped() -> None:
    answer = TokenResponse(200, {}, b"the token")
    assert not dataclasses.is_dataclass(answer)
    with pytest.raises(TypeError, match="cannot be pickled"):
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
    found = parse_response(TokenResponse(status, headers, body, failure=failure), 0.0, ExpiryPolicy(), sent)
    if isinstance(found, AccessToken):
        assert found.authorization().isascii()
        assert found.authorization().isprintable()
        assert 0 <= found.fresh_until <= found.expires_at <= ExpiryPolicy().max_lifetime
    else:
        assert isinstance(found, TokenError)
        assert len(str(found)) < 1500
        assert str(found).isprintable()


def test_what_is_said_and_what_to_do(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenResponse, str, str]] = [
        (
            TokenResponse(failure=""),
            "The token endpoint gave no answer: unknown reason.",
            TokenEndpointUnavailableError.default_remedy,
        ),
        (answer(503), "The token endpoint is unavailable: 503.", "Try again later: nothing needs a restart."),
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
            (
                "If the API accepts such tokens in an Authorization header, set token_scheme to the word before the token, "
                'such as "Bearer". Otherwise configure the server to issue Bearer tokens.'
            ),
        ),
        (
            answer(400, {"error": "invalid_scope", "error_description": "No such BOX."}),
            "The token endpoint answered with an error: 400 invalid_scope, No such BOX.",
            TokenRequestRefusedError.default_remedy,
        ),
    ]
    for came, message, remedy in rows:
        with subtests.test(came=came, message=message, remedy=remedy):
            found = read(came)
            assert isinstance(found, TokenError)
            assert (found.message, found.remedy) == (message, remedy)


def test_of_a_place_as_much_is_repeated_as_of_any_url_and_of_a_type_as_much_as_of_a_code() -> None:
    far = "https://other.example/" + "a" * 1000
    place = error(answer(307, location=far), InvalidTokenResponseError)
    kind = error(answer(200, content_type="t" * 1000), InvalidTokenResponseError)

    assert f" to {far[: URL_LIMIT - 1]}~. " in place.message
    assert f" of {'t' * (CODE_LIMIT - 1)}~, " in kind.message


def test_where_one_kind_of_status_ends_and_the_next_begins(subtests: pytest.Subtests) -> None:
    rows: list[tuple[int, str]] = [
        (299, "answered 299 with 0 bytes"),
        (300, "redirects with 300"),
        (399, "redirects with 399"),
        (400, "answered with an error: 400."),
    ]
    for status, said in rows:
        with subtests.test(status=status, said=said):
            found = read(answer(status))
            assert isinstance(found, TokenError)
            assert said in found.message


def test_no_token_of_an_answer_is_repeated_from_elsewhere_in_it(subtests: pytest.Subtests) -> None:
    for name in ("access_token", "refresh_token", "id_token"):
        with subtests.test(name=name):
            found = error(answer(400, {name: JWT, "error_description": f"What about {JWT}?"}), TokenRequestRefusedError)
            assert WITHHELD in found.message


def test_an_invalid_token_is_described(subtests: pytest.Subtests) -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        ({"access_token": None}, "there is no access_token"),
        ({"access_token": "a b"}, "the access_token contains characters that are invalid in a header"),
        ({"token_type": "t" * 1000}, f"the token_type is {'t' * (CODE_LIMIT - 1)}~"),
    ]
    for members, problem in rows:
        with subtests.test(members=members, problem=problem):
            found = error(answer(200, {**TOKEN, **members}), InvalidTokenResponseError)
            assert found.message.endswith(f" bytes of an unnamed type, and no token: {problem}.")


def test_a_long_scope_is_kept_whole() -> None:
    assert token(scope="a" * SCOPE_LIMIT).scope == "a" * SCOPE_LIMIT
