"""Metadata of an authorization server: their URLs, and the token endpoint in them."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from prio_middleware._util.redaction import URL_LIMIT, WITHHELD
from prio_middleware._util.secret import Secret
from prio_middleware.oauth.discovery import TOKEN_URL_LIMIT, Issuer, Unusable, find_token_url, well_known_urls
from prio_middleware.oauth.token_response import RESPONSE_LIMIT, TokenResponse
from tests.oauth.helpers import answer

ISSUER = "https://id.example/tenant"
TOKEN_URL = "https://id.example/tenant/token"
GOOD = {"issuer": ISSUER, "token_endpoint": TOKEN_URL}
OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


def test_what_was_sent_is_not_repeated_from_the_metadata() -> None:
    for path in ("", "x" * (URL_LIMIT - 40)):
        echoed = answer(200, {"issuer": f"https://evil.example/{path}gateway-key-1"})
        found = find_token_url(echoed, Issuer(ISSUER), "client_secret_basic", [Secret("gateway-key-1")])

        assert isinstance(found, Unusable)
        assert found.problem == WITHHELD


def test_the_well_known_part_goes_before_the_path_and_then_behind_it(subtests: pytest.Subtests) -> None:
    rows: list[tuple[str, str, str]] = [
        ("https://id.example", f"https://id.example{OAUTH}", f"https://id.example{OPENID}"),
        ("https://id.example/", f"https://id.example{OAUTH}", f"https://id.example{OPENID}"),
        ("https://id.example:8443", f"https://id.example:8443{OAUTH}", f"https://id.example:8443{OPENID}"),
        ("https://id.example/tenant", f"https://id.example{OAUTH}/tenant", f"https://id.example/tenant{OPENID}"),
        ("https://id.example/tenant/", f"https://id.example{OAUTH}/tenant", f"https://id.example/tenant{OPENID}"),
        ("https://id.example/a/b", f"https://id.example{OAUTH}/a/b", f"https://id.example/a/b{OPENID}"),
        ("https://id.example/a%2Fb", f"https://id.example{OAUTH}/a%2Fb", f"https://id.example/a%2Fb{OPENID}"),
        ("https://id.example/a;v=1", f"https://id.example{OAUTH}/a;v=1", f"https://id.example/a;v=1{OPENID}"),
        ("https://[::1]:1/a", f"https://[::1]:1{OAUTH}/a", f"https://[::1]:1/a{OPENID}"),
    ]
    for issuer, first, second in rows:
        with subtests.test(issuer=issuer, first=first, second=second):
            assert well_known_urls(issuer) == (first, second)


def find(members: object, auth_method: str = "client_secret_basic", identifier: str = ISSUER, **issuer: Any) -> str | Unusable:
    return find_token_url(answer(200, members), Issuer(identifier, **issuer), auth_method)


def problem(found: str | Unusable) -> str:
    assert isinstance(found, Unusable), found
    return found.problem


def test_the_token_endpoint_is_taken_as_it_is_written() -> None:
    assert find(GOOD) == TOKEN_URL
    assert find({**GOOD, "token_endpoint": "https://ID.example:443/t?tenant=1"}) == "https://ID.example:443/t?tenant=1"


def test_an_issuer_that_differs_by_a_code_point_is_another_one(subtests: pytest.Subtests) -> None:
    nameds: list[str] = [
        f"{ISSUER}/",
        "https://id.example",
        "https://ID.example/tenant",
        "https://id.example:443/tenant",
        "https://id.example/Tenant",
        "https://id.example/%74enant",
        "http://id.example/tenant",
        "https://id.example.thief.example/tenant",
        f"{ISSUER}?",
        f" {ISSUER}",
        "https://id.example/tena\u0301nt",
        "",
    ]
    for named in nameds:
        with subtests.test(named=named):
            found = find({**GOOD, "issuer": named})

            assert "those of another issuer" in problem(found)
            assert isinstance(found, Unusable)
            assert "exactly that text" in (found.remedy or "")


def test_an_issuer_with_a_slash_at_its_end_is_compared_with_it() -> None:
    slashed = f"{ISSUER}/"

    assert find({**GOOD, "issuer": slashed}, identifier=slashed) == TOKEN_URL
    assert "another issuer" in problem(find(GOOD, identifier=slashed))


def test_escapes_of_json_are_undone_before_the_comparison() -> None:
    body = json.dumps(GOOD).replace("id.example/tenant", "id.example\\/\\u0074enant").encode()

    assert find_token_url(TokenResponse(200, {}, body), Issuer(ISSUER), "client_secret_basic") == TOKEN_URL


def test_an_issuer_is_a_text(subtests: pytest.Subtests) -> None:
    for named in (None, 1, [ISSUER], {"issuer": ISSUER}):
        with subtests.test(named=named):
            assert problem(find({**GOOD, "issuer": named})) == "they name no issuer"


def test_metadata_without_a_token_endpoint(subtests: pytest.Subtests) -> None:
    memberss: list[object] = [{"issuer": ISSUER}, {**GOOD, "token_endpoint": None}, {**GOOD, "token_endpoint": [TOKEN_URL]}]
    for members in memberss:
        with subtests.test(members=members):
            assert problem(find(members)) == "they name no token_endpoint"


def test_a_token_endpoint_that_is_no_url(subtests: pytest.Subtests) -> None:
    urls: list[str] = [
        "",
        "/tenant/token",
        "//id.example/token",
        "id.example/token",
        "mailto:id@id.example",
        "javascript:alert(1)",
        "https://",
        "https://user:password@id.example/token",
        "https://id.example\\@thief.example/token",
        "https://id.example:99999/token",
        "https://id.example/token#here",
        "https://id.example/to ken",
        "https://id.example/token\r\nHost: thief.example",
        "https://id.example/\x00",
        "https://[::1/token",
        f"https://id.example/{'t' * TOKEN_URL_LIMIT}",
    ]
    for url in urls:
        with subtests.test(url=url):
            said = problem(find({**GOOD, "token_endpoint": url}))

            assert said == "the token_endpoint is not a valid URL (RFC 6749 §3.2)"


def test_a_token_endpoint_over_plain_http_is_blocked_except_on_named_loopback_hosts() -> None:
    plain = {"issuer": "http://127.0.0.1:8000", "token_endpoint": "http://127.0.0.1:8000/token"}

    assert problem(find({**GOOD, "token_endpoint": "http://id.example/token"})).endswith("is not https://")
    assert problem(find(plain, identifier="http://127.0.0.1:8000")).endswith("is not https://")
    assert find(plain, identifier="http://127.0.0.1:8000", loopback_http_hosts=("127.0.0.1",)) == "http://127.0.0.1:8000/token"


def test_a_token_endpoint_at_another_origin_has_to_be_allowed_by_name(subtests: pytest.Subtests) -> None:
    rows: list[tuple[str, tuple[str, ...], bool]] = [
        ("https://id.example/elsewhere", (), True),
        ("https://ID.EXAMPLE:443/token", (), True),
        ("https://tokens.example/token", (), False),
        ("https://tokens.example/token", ("https://tokens.example",), True),
        ("https://tokens.example:443/token", ("https://TOKENS.example",), True),
        ("https://tokens.example:8443/token", ("https://tokens.example",), False),
        ("https://id.example:8443/token", (), False),
        ("https://sub.id.example/token", (), False),
        ("https://id.example.thief.example/token", ("https://tokens.example",), False),
    ]
    for url, allowed, fits in rows:
        with subtests.test(url=url, allowed=allowed, fits=fits):
            found = find({**GOOD, "token_endpoint": url}, allowed_token_origins=allowed)

            assert (found == url) is fits
            if isinstance(found, Unusable):
                assert "another origin" in found.problem
                assert "allowed_token_origins" in (found.remedy or "")


def test_a_client_authentication_that_the_server_does_not_know(subtests: pytest.Subtests) -> None:
    rows: list[tuple[object, str, bool]] = [
        (["client_secret_post", "private_key_jwt"], "private_key_jwt", True),
        (["client_secret_post", "private_key_jwt"], "client_secret_basic", False),
        ([], "client_secret_basic", False),
        ([None, 7, {"a": 1}], "client_secret_basic", False),
        (None, "private_key_jwt", True),
        ("client_secret_basic", "private_key_jwt", True),
    ]
    for offered, method, fits in rows:
        with subtests.test(offered=offered, method=method, fits=fits):
            found = find({**GOOD, "token_endpoint_auth_methods_supported": offered}, method)

            assert (found == TOKEN_URL) is fits
            if isinstance(found, Unusable):
                assert f"the client authentication {method}" in found.problem
                assert "client_auth" in (found.remedy or "")


def test_where_the_list_of_methods_is_left_out_the_server_is_asked() -> None:
    assert find(GOOD, "private_key_jwt") == TOKEN_URL


def test_an_answer_that_has_no_metadata(subtests: pytest.Subtests) -> None:
    rows: list[tuple[TokenResponse, str]] = [
        (answer(404), "status 404"),
        (answer(401, GOOD), "status 401"),
        (answer(201, GOOD), "status 201"),
        (answer(204), "status 204"),
        (
            answer(302, GOOD, location="https://user:pw@id.example/login?next=x"),
            "a redirect with 302 to https://id.example/login, which is not followed",
        ),
        (answer(301, GOOD), "a redirect with 301 to an unnamed URL, which is not followed"),
        (TokenResponse(200, {}, b"<html></html>"), "the body is not a JSON object"),
        (TokenResponse(200, {}, b""), "the body is not a JSON object"),
        (TokenResponse(200, {}, b"[]"), "the body is not a JSON object"),
        (TokenResponse(200, {}, b"[" * 100_000), "the body is not a JSON object"),
        (TokenResponse(200, {}, b'{"issuer": "a", "issuer": "b"}'), "the body is not a JSON object"),
        (TokenResponse(200, {}, b"{}", truncated=True), "the body is too long"),
        (
            TokenResponse(200, {"content-encoding": "gzip"}, gzip.compress(bytes(RESPONSE_LIMIT + 1))),
            "the body is too long once it is decoded",
        ),
        (
            TokenResponse(200, {"content-encoding": "compress"}, b"{}"),
            "the body is in a content encoding other than gzip and deflate, or br and zstd with their packages",
        ),
    ]
    for came, expected in rows:
        with subtests.test(came=came, expected=expected):
            assert problem(find_token_url(came, Issuer(ISSUER), "client_secret_basic")) == expected


def test_of_the_servers_words_only_what_may_be_repeated_is(subtests: pytest.Subtests) -> None:
    members: list[str] = ["issuer", "token_endpoint", "token_endpoint_auth_methods_supported"]
    for member in members:
        for text in ("x" * 10_000, 'a"b\\c', "line\r\nbreak", "\x1b[2J"):
            with subtests.test(text=text, member=member):
                value = (
                    [text]
                    if member.endswith("supported")
                    else f"https://thief.example/{text}"
                    if member == "token_endpoint"
                    else text
                )
                said = problem(find({**GOOD, member: value}))

                assert said.isprintable()
                assert len(said) < 500


def test_a_redirect_is_a_status_from_300_to_399(subtests: pytest.Subtests) -> None:
    rows: list[tuple[int, str]] = [
        (299, "status 299"),
        (300, "a redirect with 300 to an unnamed URL, which is not followed"),
        (399, "a redirect with 399 to an unnamed URL, which is not followed"),
        (400, "status 400"),
    ]
    for status, said in rows:
        with subtests.test(status=status, said=said):
            assert problem(find_token_url(answer(status), Issuer(ISSUER), "client_secret_basic")) == said


def test_what_is_said_and_what_to_do(subtests: pytest.Subtests) -> None:
    rows: list[tuple[dict[str, object], Unusable]] = [
        ({"issuer": None}, Unusable("they name no issuer")),
        (
            {"issuer": f"{ISSUER}/"},
            Unusable(
                f"they are those of another issuer, '{ISSUER}/'",
                "If that is the server you mean, set issuer to exactly that text, including a slash at its end.",
            ),
        ),
        (
            {"issuer": "i" * 1000},
            Unusable(
                f"they are those of another issuer, '{'i' * (URL_LIMIT - 1)}~'",
                "If that is the server you mean, set issuer to exactly that text, including a slash at its end.",
            ),
        ),
        (
            {"token_endpoint_auth_methods_supported": ["client_secret_post", 7, "private_key_jwt"]},
            Unusable(
                "the server does not know the client authentication client_secret_basic, "
                "only: client_secret_post, private_key_jwt",
                "Set client_auth to a method that the server knows.",
            ),
        ),
        (
            {"token_endpoint_auth_methods_supported": []},
            Unusable(
                "the server does not know the client authentication client_secret_basic, only: none",
                "Set client_auth to a method that the server knows.",
            ),
        ),
        ({"token_endpoint": 5}, Unusable("they name no token_endpoint")),
        (
            {"token_endpoint": "http://id.example/token?key=1"},
            Unusable("the token_endpoint http://id.example/token is not https://"),
        ),
        (
            {"token_endpoint": "https://tokens.example/token?key=1"},
            Unusable(
                "the token_endpoint https://tokens.example/token is at another origin than the issuer",
                "If the client's credentials may go there, name its origin in allowed_token_origins.",
            ),
        ),
    ]
    for members, expected in rows:
        with subtests.test(members=members, expected=expected):
            assert find({**GOOD, **members}) == expected


def test_a_token_endpoint_may_be_as_long_as_that() -> None:
    longest = "https://id.example/".ljust(TOKEN_URL_LIMIT, "t")

    assert find({**GOOD, "token_endpoint": longest}) == longest
    assert isinstance(find({**GOOD, "token_endpoint": f"{longest}t"}), Unusable)
