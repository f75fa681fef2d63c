from __future__ import annotations

import functools
import json
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.dsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from prio_middleware._util.redaction import WITHHELD, server_text
from prio_middleware._util.secret import Secret
from prio_middleware.errors import ConfigurationError
from prio_middleware.oauth.client_auth import PrivateKeyJWT

URL = "https://auth.example/token"

MAKERS: dict[str, Callable[[], Any]] = {
    "RSA": lambda: RSAKey.generate_key(2048),
    "P-256": lambda: ECKey.generate_key("P-256"),
    "P-384": lambda: ECKey.generate_key("P-384"),
    "P-521": lambda: ECKey.generate_key("P-521"),
    "Ed25519": lambda: OKPKey.generate_key("Ed25519"),
}
FITTING = [
    *(("RSA", name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    ("P-256", "ES256"),
    ("P-384", "ES384"),
    ("P-521", "ES512"),
    ("Ed25519", "EdDSA"),
    ("Ed25519", "Ed25519"),
]


@functools.cache
def key_of(kind: str) -> Any:
    """Return the key of that kind: to make one of RSA takes a while."""
    return MAKERS[kind]()


def pem(key: Any) -> Secret:
    return Secret(key.as_pem(private=True).decode())


def jwk(key: Any, **members: Any) -> Secret:
    return Secret(json.dumps({**key.as_dict(private=True), **members}))


def assertion(auth: PrivateKeyJWT, url: str = URL) -> str:
    body = dict(auth.apply(url).body)
    assert body.pop("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    (value,) = body.values()
    return value


def verified(auth: PrivateKeyJWT, key: Any, algorithm: str) -> jwt.Token:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return jwt.decode(assertion(auth), key, algorithms=[algorithm])


def test_every_algorithm_signs_with_its_keys(subtests: pytest.Subtests) -> None:
    for number, (kind, algorithm) in enumerate(FITTING):
        with subtests.test(kind=kind, algorithm=algorithm):
            material = pem(key_of(kind)) if number % 2 else jwk(key_of(kind))
            token = verified(PrivateKeyJWT("shop", material, algorithm), key_of(kind), algorithm)
            assert token.header == {"typ": "JWT", "alg": algorithm}


def test_the_algorithm_follows_from_the_key(subtests: pytest.Subtests) -> None:
    rows: list[tuple[str, str]] = [
        ("RSA", "RS256"),
        ("P-256", "ES256"),
        ("P-384", "ES384"),
        ("P-521", "ES512"),
        ("Ed25519", "EdDSA"),
    ]
    for kind, algorithm in rows:
        with subtests.test(kind=kind, algorithm=algorithm):
            assert verified(PrivateKeyJWT("shop", pem(key_of(kind))), key_of(kind), algorithm).header["alg"] == algorithm


def test_pkcs1_keys_are_read() -> None:
    key: Any = key_of("RSA").raw_value
    text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    assert text.startswith("-----BEGIN RSA PRIVATE KEY-----")
    verified(PrivateKeyJWT("shop", Secret(f"\n{text}\n")), key_of("RSA"), "RS256")


def test_pem_in_a_variable_of_one_line_is_read(subtests: pytest.Subtests) -> None:
    for spell in (r"{}", '"{}"', r"{}\r\n"):
        with subtests.test(spell=spell):
            one_line = pem(key_of("P-256")).reveal().strip().replace("\n", r"\r\n" if r"\r" in spell else r"\n")
            auth = PrivateKeyJWT("shop", Secret(spell.format(one_line)))
            verified(auth, key_of("P-256"), "ES256")


def test_a_jwk_names_its_own_algorithm_and_key_id() -> None:
    auth = PrivateKeyJWT("shop", jwk(key_of("RSA"), alg="PS512", kid="key-1", use="sig"))
    assert verified(auth, key_of("RSA"), "PS512").header == {"typ": "JWT", "alg": "PS512", "kid": "key-1"}


def test_the_settings_key_id_counts_more_than_the_jwks() -> None:
    auth = PrivateKeyJWT("shop", jwk(key_of("P-256"), kid="key-1"), key_id="key-2")
    assert verified(auth, key_of("P-256"), "ES256").header["kid"] == "key-2"


def test_the_claims_are_those_of_rfc_7523(subtests: pytest.Subtests) -> None:
    rows: list[tuple[str | None, str]] = [(None, URL), ("https://issuer.example", "https://issuer.example")]
    for audience, expected in rows:
        with subtests.test(audience=audience, expected=expected):
            before = int(time.time())
            claims = verified(PrivateKeyJWT("shop", pem(key_of("P-256")), audience=audience), key_of("P-256"), "ES256").claims
            assert claims.keys() == {"iss", "sub", "aud", "iat", "exp", "jti"}
            assert claims["iss"] == claims["sub"] == "shop"
            assert claims["aud"] == expected
            assert before <= claims["iat"] <= time.time()
            assert 0 < claims["exp"] - claims["iat"] <= 60


def test_every_assertion_is_a_new_one() -> None:
    auth = PrivateKeyJWT("shop", pem(key_of("P-256")))
    jtis = {verified(auth, key_of("P-256"), "ES256").claims["jti"] for _ in range(50)}
    assert len(jtis) == 50


def test_the_assertion_is_known_as_secret() -> None:
    credentials = PrivateKeyJWT("shop", pem(key_of("P-256"))).apply(URL)
    sent = dict(credentials.body)["client_assertion"]
    for part in sent.split("."):
        assert server_text(f"bad assertion {part}", credentials.secrets) == WITHHELD
    assert sent not in repr(credentials)


def test_the_fingerprint_tells_keys_apart() -> None:
    auth = PrivateKeyJWT("shop", pem(key_of("Ed25519")))
    others = [
        PrivateKeyJWT("other", pem(key_of("Ed25519"))),
        PrivateKeyJWT("shop", pem(key_of("Ed25519")), "Ed25519"),
        PrivateKeyJWT("shop", pem(key_of("Ed25519")), key_id="2"),
        PrivateKeyJWT("shop", pem(key_of("Ed25519")), key_id="3"),
        PrivateKeyJWT("shop", pem(key_of("P-256"))),
        PrivateKeyJWT("shop", pem(ECKey.generate_key("P-256"))),
    ]
    assert auth.fingerprint == PrivateKeyJWT("shop", pem(key_of("Ed25519"))).fingerprint
    assert len({auth.fingerprint, *(other.fingerprint for other in others)}) == 1 + len(others)
    assert auth.method == "private_key_jwt"


def test_an_algorithm_that_does_not_fit_is_refused_with_those_that_do(subtests: pytest.Subtests) -> None:
    rows: list[tuple[str, str]] = [
        ("RSA", "ES256"),
        ("P-256", "ES384"),
        ("P-384", "RS256"),
        ("Ed25519", "ES256"),
        ("RSA", "HS256"),
        ("RSA", "none"),
        ("RSA", "x"),
    ]
    for kind, algorithm in rows:
        with subtests.test(kind=kind, algorithm=algorithm):
            fitting = ", ".join(name for fits, name in FITTING if fits == kind)
            with pytest.raises(ConfigurationError, match=f"cannot sign with that algorithm. It fits {fitting}.") as caught:
                PrivateKeyJWT("shop", pem(key_of(kind)), algorithm)
            assert "'shop'" in str(caught.value)


def unusable() -> dict[str, Secret]:
    rsa = key_of("RSA").as_dict(private=True)
    dsa = generate_private_key(1024)
    text = pem(key_of("RSA")).reveal()
    return {
        "empty": Secret(""),
        "no key": Secret("canary"),
        "cut PEM": Secret(text[:500]),
        "spoilt PEM": Secret(text.replace("M", "N")),
        "encrypted PEM": Secret(key_of("RSA").as_pem(private=True, password="canary").decode()),
        "public PEM": Secret(key_of("RSA").as_pem(private=False).decode()),
        "public JWK": Secret(json.dumps(key_of("RSA").as_dict(private=False))),
        "cut JWK": Secret(json.dumps(rsa)[:200]),
        "JWK without kty": Secret(json.dumps({**rsa, "kty": None})),
        "JWK of another kty": Secret(json.dumps({**rsa, "kty": "EC"})),
        "JWK without members": Secret('{"kty": "RSA"}'),
        "JWK with numbers": Secret(json.dumps({**rsa, "n": 5})),
        "nested too deep": Secret('{"kty":' + "[" * 100_000),
        "symmetric JWK": Secret(json.dumps(OctKey.generate_key(256).as_dict(private=True))),
        "encryption JWK": jwk(key_of("RSA"), use="enc"),
        "verification JWK": jwk(key_of("RSA"), key_ops=["verify"]),
        "JWK of another algorithm": jwk(key_of("RSA"), alg="RSA-OAEP"),
        "Ed448": pem(OKPKey.generate_key("Ed448")),
        "DSA": Secret(dsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()),
        "X25519": pem(OKPKey.generate_key("X25519")),
        "lone surrogates": Secret("\ud800canary"),
    }


def test_an_unusable_key_is_an_error_that_does_not_show_it(subtests: pytest.Subtests) -> None:
    for what, material in unusable().items():
        with subtests.test(what):
            with pytest.raises(ConfigurationError) as caught:
                PrivateKeyJWT("shop", material)
            error = caught.value
            assert "private key" in str(error)
            assert error.__cause__ is error.__context__ is None
            frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
            shown = f"{[frame.locals for frame in frames if frame.filename != __file__]} {error}"
            assert not any(line in shown for line in material.reveal().split()[:20] if len(line) > 16)
            assert "canary" not in shown


def short_key() -> Secret:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pem(RSAKey.generate_key(1024))


def test_a_short_rsa_key_is_refused_whatever_becomes_of_warnings(subtests: pytest.Subtests) -> None:
    for action in ("ignore", "error"):
        with subtests.test(action=action), warnings.catch_warnings():
            warnings.simplefilter(action)
            with pytest.raises(ConfigurationError, match="2048 bits"):
                PrivateKeyJWT("shop", short_key())


def test_eddsa_signs_without_a_warning() -> None:
    auth = PrivateKeyJWT("shop", pem(key_of("Ed25519")))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        auth.apply(URL)
    assert not seen


def test_nothing_shows_the_key() -> None:
    auth = PrivateKeyJWT("shop", pem(key_of("P-256")), key_id="key-1")
    assert repr(auth) == str(auth) == "<PrivateKeyJWT 'shop' **>"


def test_a_client_id_that_cannot_be_sent_is_refused(subtests: pytest.Subtests) -> None:
    for client_id in ("", "a\nb"):
        with subtests.test(client_id=client_id), pytest.raises(ConfigurationError, match="client id"):
            PrivateKeyJWT(client_id, pem(key_of("P-256")))
