from __future__ import annotations

import base64
import functools
import json
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from prio_middleware.sandbox import Account, SandboxApp, SandboxOptions
from prio_middleware.sandbox.authentication import JWT_BEARER, Assertions

from .helpers import CLIENT_CREDENTIALS, Caller, basic, code, new_caller

pytestmark = pytest.mark.anyio

ACCOUNT = Account("shop@museum.example", "p@ss!#$%25+: word")
RAW = SandboxOptions(accounts=(ACCOUNT,))
FORM = SandboxOptions(accounts=(ACCOUNT,), basic_encodings=("form",))
EITHER = SandboxOptions(accounts=(ACCOUNT,), basic_encodings=("raw", "form"))
POST = SandboxOptions(accounts=(ACCOUNT,), client_auth_methods=("client_secret_post",))

RAW_HEADER = basic(ACCOUNT.client_id, ACCOUNT.client_secret)
FORM_HEADER = basic(quote_plus(ACCOUNT.client_id), quote_plus(ACCOUNT.client_secret))


BASIC: list[tuple[SandboxOptions, dict[str, str], bool]] = [
    (RAW, RAW_HEADER, True),
    (RAW, FORM_HEADER, False),
    (FORM, FORM_HEADER, True),
    (FORM, RAW_HEADER, False),
    (EITHER, RAW_HEADER, True),
    (EITHER, FORM_HEADER, True),
    (RAW, basic(ACCOUNT.client_id, "wrong"), False),
    (RAW, basic("nobody", ACCOUNT.client_secret), False),
    (RAW, basic("", ""), False),
    (RAW, {"Authorization": f"basic {RAW_HEADER['Authorization'][6:]}"}, True),
    (RAW, {"Authorization": "Basic"}, False),
    (RAW, {"Authorization": "Basic ???"}, False),
    (RAW, {"Authorization": f"Basic {base64.b64encode(b'no colon').decode()}"}, False),
    (RAW, {"Authorization": f"Basic {base64.b64encode(bytes([255, 58])).decode()}"}, False),
    (RAW, {"Authorization": f"Digest {RAW_HEADER['Authorization'][6:]}"}, False),
    (RAW, {}, False),
    (POST, RAW_HEADER, False),
]


async def test_client_secret_basic(subtests: pytest.Subtests) -> None:
    for options, headers, accepted in BASIC:
        with subtests.test(encodings=options.basic_encodings, methods=options.client_auth_methods, headers=headers):
            caller = new_caller(options)
            response = await caller.send("POST", caller.token_url, headers=headers, json=CLIENT_CREDENTIALS)

            assert response.status_code == (200 if accepted else 401)
            if not accepted:
                assert code(response) == "invalid_client"
                assert response.headers["www-authenticate"].startswith("Basic")


IN_BODY: list[tuple[SandboxOptions, dict[str, str], bool]] = [
    (POST, {"client_id": ACCOUNT.client_id, "client_secret": ACCOUNT.client_secret}, True),
    (POST, {"client_id": ACCOUNT.client_id, "client_secret": "wrong"}, False),
    (POST, {"client_secret": ACCOUNT.client_secret}, False),
    (POST, {"client_id": ACCOUNT.client_id}, False),
    (RAW, {"client_id": ACCOUNT.client_id, "client_secret": ACCOUNT.client_secret}, False),
]


async def test_client_secret_post(subtests: pytest.Subtests) -> None:
    for options, credentials, accepted in IN_BODY:
        with subtests.test(methods=options.client_auth_methods, credentials=credentials):
            caller = new_caller(options)
            response = await caller.send("POST", caller.token_url, json={**CLIENT_CREDENTIALS, **credentials})

            assert response.status_code == (200 if accepted else 401)


@pytest.mark.parametrize("options", [EITHER])
async def test_more_than_one_way_to_authenticate_is_an_error(caller: Caller, app: SandboxApp) -> None:
    body = {**CLIENT_CREDENTIALS, "client_id": ACCOUNT.client_id, "client_secret": ACCOUNT.client_secret}
    response = await caller.send("POST", caller.token_url, headers=RAW_HEADER, json=body)

    assert response.status_code == 400
    assert code(response) == "invalid_request"
    assert "client_secret" not in app.admin.token_requests()[0].parameters


async def test_credentials_that_are_withdrawn_and_given_back(caller: Caller, app: SandboxApp) -> None:
    app.admin.configure(refuse_credentials=True)
    refused = await caller.ask()
    app.admin.configure(refuse_credentials=False)

    assert (refused.status_code, code(refused)) == (401, "invalid_client")
    assert (await caller.ask()).status_code == 200


async def test_a_secret_that_is_changed(caller: Caller, app: SandboxApp) -> None:
    app.admin.set_secret(caller.account.client_id, "another")

    assert (await caller.ask()).status_code == 401
    assert (await caller.ask(Account(caller.account.client_id, "another"))).status_code == 200


@functools.cache
def key_of(kind: str) -> Key:
    """A private key, made once."""
    makers: dict[str, Callable[[], Key]] = {
        "RSA": lambda: RSAKey.generate_key(2048),
        "EC": lambda: ECKey.generate_key("P-256"),
        "OKP": lambda: OKPKey.generate_key("Ed25519"),
    }
    return makers[kind]()


def pem(key: Key) -> str:
    return key.as_pem(private=False).decode() if isinstance(key, RSAKey | ECKey | OKPKey) else ""


def jwk(key: Key) -> str:
    return json.dumps(key.as_dict(private=False))


def signed(key: Key, algorithm: str, changes: Mapping[str, Any] | None = None) -> str:
    claims = {
        "iss": ACCOUNT.client_id,
        "sub": ACCOUNT.client_id,
        "aud": "https://sandbox.test/v3.8/distributor/oauth2/token",
        "exp": time.time() + 60,
        "jti": "one",
        **(changes or {}),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm])


def for_key(public_key: str | None) -> SandboxOptions:
    return SandboxOptions(
        accounts=(Account(ACCOUNT.client_id, ACCOUNT.client_secret, public_key=public_key),),
        client_auth_methods=("private_key_jwt",),
        issuer="https://issuer.example",
    )


def request(assertion: str) -> dict[str, str]:
    return {**CLIENT_CREDENTIALS, "client_assertion_type": JWT_BEARER, "client_assertion": assertion}


ALGORITHMS = [("RSA", "RS256"), ("RSA", "PS512"), ("EC", "ES256"), ("OKP", "EdDSA"), ("OKP", "Ed25519")]


async def test_an_assertion_is_accepted_once(subtests: pytest.Subtests) -> None:
    for text, (kind, algorithm) in [*((pem, row) for row in ALGORITHMS), *((jwk, ALGORITHMS[row]) for row in (0, 2, 3))]:
        with subtests.test(text=text.__name__, algorithm=algorithm):
            caller = new_caller(for_key(text(key_of(kind))))
            body = request(signed(key_of(kind), algorithm))
            first = await caller.send("POST", caller.token_url, json=body)
            second = await caller.send("POST", caller.token_url, json=body)

            assert first.status_code == 200
            assert (second.status_code, code(second)) == (401, "invalid_client")
            seen = caller.app.admin.token_requests()[0]
            assert (seen.client_id, seen.method) == (ACCOUNT.client_id, "private_key_jwt")
            assert "client_assertion" not in seen.parameters


CLAIMS: list[tuple[dict[str, Any], bool]] = [
    ({"aud": "https://issuer.example"}, True),
    ({"aud": "https://elsewhere.example"}, False),
    ({"aud": ["https://issuer.example"]}, False),
    ({"iss": "somebody"}, False),
    ({"exp": time.time() - 1}, False),
    ({"exp": time.time() + 3600}, False),
    ({"exp": 10**400}, False),
    ({"exp": "soon"}, False),
    ({"exp": None}, False),
    ({"jti": None}, False),
]


async def test_the_claims_of_an_assertion(subtests: pytest.Subtests) -> None:
    for changes, accepted in CLAIMS:
        with subtests.test(changes=str(changes)[:80]):
            caller = new_caller(for_key(pem(key_of("EC"))))
            body = request(signed(key_of("EC"), "ES256", changes))
            response = await caller.send("POST", caller.token_url, json=body)

            assert response.status_code == (200 if accepted else 401)


async def test_an_assertion_that_cannot_be_verified(subtests: pytest.Subtests) -> None:
    good, known = signed(key_of("EC"), "ES256"), pem(key_of("EC"))
    rows: dict[str, tuple[str | None, str]] = {
        "another key": (known, signed(ECKey.generate_key("P-256"), "ES256")),
        "another algorithm": (known, signed(key_of("RSA"), "RS256")),
        "no key known": (None, good),
        "no key at all": ("no key", good),
        "no JWK": ("{", good),
        "another client": (known, signed(key_of("EC"), "ES256", {"sub": "nobody"})),
        "empty": (known, ""),
        "not base64": (known, "a.b.c"),
        "no object": (known, f"e30.{base64.urlsafe_b64encode(b'[]').decode()}.x"),
        "too deep": (known, f"e30.{base64.urlsafe_b64encode(b'[' * 100_000).decode()}.x"),
    }
    for name, (public_key, assertion) in rows.items():
        with subtests.test(name):
            caller = new_caller(for_key(public_key))
            response = await caller.send("POST", caller.token_url, json=request(assertion))

            assert (response.status_code, code(response)) == (401, "invalid_client")


async def test_an_assertion_of_another_type() -> None:
    caller = new_caller(for_key(pem(key_of("EC"))))
    body = {**request(signed(key_of("EC"), "ES256")), "client_assertion_type": "saml"}

    assert code(await caller.send("POST", caller.token_url, json=body)) == "invalid_request"


def test_a_used_assertion_is_forgotten_when_it_could_not_be_used_any_more() -> None:
    assertions = Assertions()

    assert assertions.use("shop", "one", expires_at=60, now=0)
    assert not assertions.use("shop", "one", expires_at=60, now=30)
    assert assertions.use("museum", "one", expires_at=60, now=30)
    assert assertions.use("shop", "one", expires_at=200, now=100)


async def test_a_server_that_goes_by_the_standards() -> None:
    caller = new_caller(SandboxOptions.rfc6749((ACCOUNT,)))

    assert (await caller.send("POST", caller.token_url, headers=FORM_HEADER, data=CLIENT_CREDENTIALS)).status_code == 200
    assert (await caller.send("POST", caller.token_url, headers=RAW_HEADER, data=CLIENT_CREDENTIALS)).status_code == 401
    assert (await caller.send("POST", caller.token_url, headers=FORM_HEADER, json=CLIENT_CREDENTIALS)).status_code == 400
    assert (await caller.send("GET", "/products")).status_code == 401
