from __future__ import annotations

import base64
import json
import traceback
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from prio_middleware._util.redaction import WITHHELD
from prio_middleware._util.secret import Secret
from prio_middleware.errors import ConfigurationError, CredentialsRefusedError, PrioError, TokenError
from prio_middleware.oauth.access_token import DEFAULT_OPTIONS, AccessToken, ExpiryPolicy, TokenOptions
from prio_middleware.oauth.client_auth import ClientAuth, ClientSecretBasic, ClientSecretPost, Credentials
from prio_middleware.oauth.token_request import SHORTEST_SECRET_PARAM, TokenEndpoint, TokenRequest
from prio_middleware.oauth.token_response import TokenResponse

URL = "https://user:pw@api.example/v3.8/oauth2/token?tenant=1"
SHOWN_URL = "https://api.example/v3.8/oauth2/token"
CANARY = "canary-5f1c9e"
BASIC = ClientSecretBasic("shop", Secret(CANARY))
POST = ClientSecretPost("shop", Secret(CANARY))
OPTIONS = TokenOptions("a b", "aud", "https://api.example/", (("tenant", 'ü & ="1"'), ("x", "")))


def endpoint(auth: ClientAuth = BASIC, body_format: Any = "form", **options: Any) -> TokenEndpoint:
    return TokenEndpoint(URL, auth, body_format, client="berlin", **options)


def parameters(request: TokenRequest) -> dict[str, str]:
    if request.headers["Content-Type"] == "application/json":
        return dict(json.loads(request.body))
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    pairs = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_parameters_of_eight_characters_are_secrets_of_the_request() -> None:
    options = TokenOptions(params=(("tenant", "1234567"), ("pin", "12345678")))
    secrets = [secret.reveal() for secret in endpoint().request(options, 100.0, 90.0).secrets]
    assert "12345678" in secrets
    assert "1234567" not in secrets


HEADERS = (("X-Gateway-Key", Secret("gateway-key")), ("accept", Secret("*/*")))


def test_further_headers_are_sent_and_those_of_the_request_stay() -> None:
    made = endpoint(headers=HEADERS)
    token, metadata = (
        made.request(DEFAULT_OPTIONS, 100.0, 90.0),
        made.metadata_request("https://api.example/.well-known/x", 5.0),
    )
    for request in (token, metadata):
        assert request.headers["X-Gateway-Key"] == "gateway-key"
        assert (request.headers["accept"], request.headers["Accept-Encoding"]) == ("*/*", "identity")
        assert "Accept" not in request.headers
        assert Secret("gateway-key") in request.secrets
    assert token.headers["Authorization"].startswith("Basic ")
    assert (metadata.method, metadata.body, metadata.timeout) == ("GET", b"", 5.0)


def test_headers_that_cannot_be_sent_are_a_mistake_that_does_not_repeat_them() -> None:
    for headers in (
        [("Authorization", CANARY)],
        [("X-Key", f"{CANARY}\n")],
        [(f"{CANARY}:", "x")],
        [("a", CANARY), ("A", "b")],
    ):
        with pytest.raises(ConfigurationError, match="further headers") as caught:
            endpoint(headers=tuple((name, Secret(value)) for name, value in headers))
        assert CANARY not in str(caught.value)


def test_a_header_that_the_server_repeats_is_withheld() -> None:
    made = endpoint(headers=HEADERS)
    request = made.request(DEFAULT_OPTIONS, 100.0, 90.0)
    body = json.dumps({"error": "access_denied", "error_description": "The key gateway-key is not known."}).encode()
    error = made.read(TokenResponse(403, {}, body), 90.0, request)

    assert isinstance(error, TokenError)
    assert WITHHELD in str(error)
    assert "gateway-key" not in str(error)


def test_the_shortest_header_that_counts_as_a_secret_is_withheld() -> None:
    value = "k3y" + "x" * (SHORTEST_SECRET_PARAM - 3)
    made = endpoint(headers=(("X-Key", Secret(value)),))
    request = made.metadata_request(URL, 10.0)

    assert Secret(value) in request.secrets


def test_what_the_way_may_have_to_do_with_it_is_said_with_the_error() -> None:
    made = endpoint()
    request = made.request(DEFAULT_OPTIONS, 100.0, 90.0)
    request.hint = "Try another way."
    error = made.read(TokenResponse(failure="ConnectError: refused"), 90.0, request)

    assert isinstance(error, TokenError)
    assert error.remedy.endswith("No restart is needed. Try another way.")
    assert (error.client, error.url) == ("berlin", SHOWN_URL)


def test_the_least_request_names_the_grant(subtests: pytest.Subtests) -> None:
    for body_format in ("json", "form"):
        with subtests.test(body_format=body_format):
            request = endpoint(body_format=body_format).request(DEFAULT_OPTIONS, 100.0, 90.0)
            assert request.url == URL
            assert parameters(request) == {"grant_type": "client_credentials"}
            assert request.headers["Authorization"] == "Basic " + base64.b64encode(f"shop:{CANARY}".encode()).decode()


def test_options_and_credentials_share_one_body(subtests: pytest.Subtests) -> None:
    rows: list[tuple[ClientAuth, dict[str, str]]] = [(BASIC, {}), (POST, {"client_id": "shop", "client_secret": CANARY})]
    for auth, added in rows:
        for body_format in ("json", "form"):
            with subtests.test(body_format=body_format, auth=auth, added=added):
                assert parameters(endpoint(auth, body_format).request(OPTIONS, 100.0, 90.0)) == {
                    "grant_type": "client_credentials",
                    "scope": "a b",
                    "audience": "aud",
                    "resource": "https://api.example/",
                    "tenant": 'ü & ="1"',
                    "x": "",
                    **added,
                }


@pytest.mark.pitfall(id="unfolding-answer")
def test_neither_compression_nor_anything_but_json_is_asked_for() -> None:
    headers = endpoint().request(DEFAULT_OPTIONS, 100.0, 90.0).headers
    assert headers["Accept-Encoding"] == "identity"
    assert headers["Accept"] == "application/json"


@pytest.mark.pitfall(id="no-timeout")
def test_no_attempt_outlives_the_deadline(subtests: pytest.Subtests) -> None:
    rows: list[tuple[float, float, float]] = [(130.0, 10.0, 30.0), (104.0, 4.0, 4.0), (100.0, 0.0, 0.0), (99.0, 0.0, 0.0)]
    for deadline, timeout, total_seconds in rows:
        with subtests.test(deadline=deadline, timeout=timeout, total_seconds=total_seconds):
            request = endpoint(timeout=10.0).request(DEFAULT_OPTIONS, deadline, 100.0)
            assert (request.timeout, request.total_seconds) == (timeout, total_seconds)


def test_every_attempt_has_credentials_of_its_own() -> None:
    class Counting:
        method = "private_key_jwt"
        client_id = "shop"
        fingerprint = "f"
        calls = 0

        def apply(self, token_url: str) -> Credentials:
            self.calls += 1
            return Credentials(body=(("client_assertion", f"{token_url} {self.calls}"),), secrets=(Secret("x"),))

        def digest(self, key: bytes) -> str:
            return "d"

    asked = endpoint(Counting())
    requests = [asked.request(DEFAULT_OPTIONS, 1.0, 0.0) for _ in range(2)]
    assert all(Secret("x") in request.secrets for request in requests)
    bodies = [parameters(request)["client_assertion"] for request in requests]
    assert bodies == [f"{URL} 1", f"{URL} 2"]


def test_a_parameter_cannot_change_what_has_an_option(subtests: pytest.Subtests) -> None:
    names: list[str] = [
        "grant_type",
        "scope",
        "audience",
        "resource",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
    ]
    for name in names:
        with subtests.test(name=name):
            with pytest.raises(ConfigurationError, match=f"'{name}' cannot be among") as caught:
                endpoint().request(TokenOptions(params=((name, "x"),)), 1.0, 0.0)
            assert caught.value.client == "berlin"
            assert caught.value.url == SHOWN_URL


def test_a_server_may_not_have_a_parameter_repeated_that_may_be_a_secret() -> None:
    options = TokenOptions(params=(("hint", "s3cret-value"), ("mode", "full")))
    asked = endpoint()
    request = asked.request(options, 1.0, 0.0)
    assert Secret("s3cret-value") in request.secrets
    assert Secret("full") not in request.secrets
    said = json.dumps({"error": "invalid_request", "error_description": "The hint s3cret-value is wrong."})
    error = asked.read(TokenResponse(400, body=said.encode()), 0.0, request)
    assert "s3cret-value" not in str(error)
    assert WITHHELD in str(error)


def test_control_characters_are_refused(subtests: pytest.Subtests) -> None:
    cases: list[Any] = [
        lambda bad: TokenOptions(scope=bad),
        lambda bad: TokenOptions(audience=bad),
        lambda bad: TokenOptions(resource=bad),
        lambda bad: TokenOptions(params=(("x", bad),)),
        lambda bad: TokenOptions(params=((bad, "x"),)),
    ]
    for options in cases:
        for bad in ("a\nb", "a\rb", "a\x00b", "a\x7f", "\ud800"):
            with subtests.test(ascii(options(bad))):
                refuse_without_the_secret(options(bad))


def refuse_without_the_secret(options: TokenOptions) -> None:
    with pytest.raises(ConfigurationError, match="control character") as caught:
        endpoint().request(options, 1.0, 0.0)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert CANARY not in shown


def test_an_endpoint_that_makes_no_sense_is_refused(subtests: pytest.Subtests) -> None:
    rows: list[tuple[dict[str, Any], str]] = [
        ({"body_format": "xml"}, "body format is 'xml'"),
        *(({"timeout": timeout}, "positive number of seconds") for timeout in (0, -1, float("inf"), float("nan"))),
    ]
    for options, problem in rows:
        with subtests.test(options=options, problem=problem):
            with pytest.raises(ConfigurationError, match=problem) as caught:
                endpoint(**options)
            assert (caught.value.client, caught.value.url) == ("berlin", SHOWN_URL)


@pytest.mark.pitfall(id="printed-secrets")
def test_nothing_shows_what_is_sent(subtests: pytest.Subtests) -> None:
    for auth in (BASIC, POST):
        with subtests.test(auth=auth):
            asked = endpoint(auth)
            request = asked.request(OPTIONS, 100.0, 90.0)
            assert repr(request) == f"<TokenRequest POST {SHOWN_URL}>"
            assert repr(asked) == f"<TokenEndpoint {SHOWN_URL} of 'berlin'>"


def read(status: int, auth: ClientAuth = BASIC, **members: Any) -> AccessToken | TokenError:
    asked = endpoint(auth, expiry=ExpiryPolicy(default_lifetime=60, jitter=0.0))
    request = asked.request(DEFAULT_OPTIONS, 100.0, 90.0)
    return asked.read(TokenResponse(status, httpx.Headers(), json.dumps(members).encode()), 1000.0, request)


def test_a_token_lives_from_the_moment_before_the_request_left() -> None:
    token = read(200, access_token="abc", token_type="Bearer", expires_in=100)
    assert isinstance(token, AccessToken)
    assert (token.lifetime, token.expires_at, token.fresh_until) == (100.0, 1100.0, 1090.0)


def test_the_policy_of_the_endpoint_counts() -> None:
    token = read(200, access_token="abc", token_type="Bearer")
    assert isinstance(token, AccessToken)
    assert token.lifetime == 60.0


def test_an_error_names_client_and_url() -> None:
    error = read(401, error="invalid_client")
    assert isinstance(error, CredentialsRefusedError)
    assert (error.client, error.url) == ("berlin", SHOWN_URL)


def test_what_the_server_echoes_is_not_repeated(subtests: pytest.Subtests) -> None:
    members: list[str] = ["error", "error_description", "error_message", "error_uri", "error_reference"]
    echos: list[str] = ["the secret {secret} is wrong", "Basic {basic}", "{basic}", "{{'client_secret': '{secret}'}}"]
    auths: list[ClientAuth] = [BASIC, ClientSecretBasic("shop", Secret(CANARY), "form"), POST]
    basic = base64.b64encode(f"shop:{CANARY}".encode()).decode()
    of_each_place = [(status, member, echos[0], BASIC) for status in (200, 400, 401, 503) for member in members]
    of_each_form = [(400, "error_description", echo, auth) for echo in echos for auth in auths]
    for status, member, echo, auth in [*of_each_place, *of_each_form]:
        with subtests.test(status=status, member=member, echo=echo, auth=auth):
            error = read(status, auth, **{"error": "some_error", member: echo.format(secret=CANARY, basic=basic)})
            assert isinstance(error, PrioError)
            shown = f"{error} {error!r} {vars(error)}"
            assert CANARY not in shown
            assert basic[:12] not in shown


def test_a_withheld_text_is_said_to_be() -> None:
    assert WITHHELD in str(read(400, error="invalid_request", error_description=f"What is {CANARY}?"))


def test_what_to_do_about_a_parameter_that_has_an_option_of_its_own() -> None:
    with pytest.raises(ConfigurationError) as caught:
        endpoint().request(TokenOptions(params=(("scope", "x"),)), 1.0, 0.0)
    assert caught.value.remedy == "Set scope, audience, resource and the client's credentials by their own options."


def test_a_timeout_may_be_shorter_than_a_second() -> None:
    assert endpoint(timeout=0.5).request(DEFAULT_OPTIONS, 100.0, 90.0).timeout == 0.5
