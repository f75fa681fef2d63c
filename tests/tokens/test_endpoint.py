from __future__ import annotations

import base64
import json
import traceback
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from prio_middleware.errors import ConfigurationError, CredentialsRefusedError, PrioError, TokenError
from prio_middleware.secret import Secret
from prio_middleware.text import WITHHELD
from prio_middleware.tokens.client_auth import ClientAuth, ClientSecretBasic, ClientSecretPost, Credentials
from prio_middleware.tokens.endpoint import TokenAnswer, TokenEndpoint, TokenRequest
from prio_middleware.tokens.expiry import ExpiryPolicy
from prio_middleware.tokens.token import DEFAULT_OPTIONS, AccessToken, TokenOptions

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


@pytest.mark.parametrize("body_format", ["json", "form"])
def test_the_least_request_names_the_grant(body_format: str) -> None:
    request = endpoint(body_format=body_format).request(DEFAULT_OPTIONS, 100.0, 90.0)
    assert request.url == URL
    assert parameters(request) == {"grant_type": "client_credentials"}
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(f"shop:{CANARY}".encode()).decode()


@pytest.mark.parametrize("body_format", ["json", "form"])
@pytest.mark.parametrize(("auth", "added"), [(BASIC, {}), (POST, {"client_id": "shop", "client_secret": CANARY})])
def test_options_and_credentials_share_one_body(auth: ClientAuth, added: dict[str, str], body_format: str) -> None:
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
@pytest.mark.parametrize(
    ("deadline", "timeout", "budget"), [(130.0, 10.0, 30.0), (104.0, 4.0, 4.0), (100.0, 0.0, 0.0), (99.0, 0.0, 0.0)]
)
def test_no_attempt_outlives_the_deadline(deadline: float, timeout: float, budget: float) -> None:
    request = endpoint(timeout=10.0).request(DEFAULT_OPTIONS, deadline, 100.0)
    assert (request.timeout, request.budget) == (timeout, budget)


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
    bodies = [parameters(asked.request(DEFAULT_OPTIONS, 1.0, 0.0))["client_assertion"] for _ in range(2)]
    assert bodies == [f"{URL} 1", f"{URL} 2"]


@pytest.mark.parametrize(
    "name",
    ["grant_type", "scope", "audience", "resource", "client_id", "client_secret", "client_assertion", "client_assertion_type"],
)
def test_a_parameter_cannot_change_what_has_an_option(name: str) -> None:
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
    error = asked.read(TokenAnswer(400, body=said.encode()), 0.0, request)
    assert "s3cret-value" not in str(error)
    assert WITHHELD in str(error)


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\x00b", "a\x7f", "\ud800"])
@pytest.mark.parametrize(
    "options",
    [
        lambda bad: TokenOptions(scope=bad),
        lambda bad: TokenOptions(audience=bad),
        lambda bad: TokenOptions(resource=bad),
        lambda bad: TokenOptions(params=(("x", bad),)),
        lambda bad: TokenOptions(params=((bad, "x"),)),
    ],
)
def test_control_characters_are_refused(options: Any, bad: str) -> None:
    with pytest.raises(ConfigurationError, match="control character") as caught:
        endpoint().request(options(bad), 1.0, 0.0)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert CANARY not in shown


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"body_format": "xml"}, "body format is 'xml'"),
        *(({"timeout": timeout}, "positive number of seconds") for timeout in (0, -1, float("inf"), float("nan"))),
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        endpoint(**options)
    assert (caught.value.client, caught.value.url) == ("berlin", SHOWN_URL)


@pytest.mark.pitfall(id="printed-secrets")
@pytest.mark.parametrize("auth", [BASIC, POST])
def test_nothing_shows_what_is_sent(auth: ClientAuth) -> None:
    asked = endpoint(auth)
    request = asked.request(OPTIONS, 100.0, 90.0)
    assert repr(request) == f"<TokenRequest POST {SHOWN_URL}>"
    assert repr(asked) == f"<TokenEndpoint {SHOWN_URL} of 'berlin'>"


def read(status: int, auth: ClientAuth = BASIC, **members: Any) -> AccessToken | TokenError:
    asked = endpoint(auth, expiry=ExpiryPolicy(default_lifetime=60))
    request = asked.request(DEFAULT_OPTIONS, 100.0, 90.0)
    return asked.read(TokenAnswer(status, httpx.Headers(), json.dumps(members).encode()), 1000.0, request)


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


@pytest.mark.parametrize("auth", [BASIC, ClientSecretBasic("shop", Secret(CANARY), "form"), POST])
@pytest.mark.parametrize(
    "echo", ["the secret {secret} is wrong", "Basic {basic}", "{basic}", "{{'client_secret': '{secret}'}}"]
)
@pytest.mark.parametrize("member", ["error", "error_description", "error_message", "error_uri", "error_reference"])
@pytest.mark.parametrize("status", [200, 400, 401, 503])
def test_what_the_server_echoes_is_not_repeated(status: int, member: str, echo: str, auth: ClientAuth) -> None:
    basic = base64.b64encode(f"shop:{CANARY}".encode()).decode()
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
