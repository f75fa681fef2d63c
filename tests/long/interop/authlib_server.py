"""Authlib's authorization server under Flask, as its documentation sets it up, with tokens and clients kept in memory."""

# The stubs that pyright brings are of another Authlib.
# pyright: reportAssignmentType=false, reportCallIssue=false, reportGeneralTypeIssues=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from flask import Flask, Response, jsonify, request
from joserfc.jwk import ECKey

from tests.long.interop.accounts import LIFETIME, READ, RESOURCE, SECRET_ACCOUNTS, SIGNER, WRITE, issuer, public_jwk

METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
TOKEN_URL = f"{issuer()}/oauth/token"


@dataclass
class Client(ClientMixin):  # type: ignore[misc]  # Authlib ships no types
    client_id: str
    secret: str
    method: str

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str | None) -> str:
        return " ".join(name for name in (scope or READ).split() if name in {READ, WRITE})

    def check_client_secret(self, client_secret: str) -> bool:
        return hmac.compare_digest(self.secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == self.method

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


@dataclass
class Token(TokenMixin):  # type: ignore[misc]
    client_id: str
    scope: str
    expires_at: float
    revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return client.client_id == self.client_id

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return time.time() >= self.expires_at

    def is_revoked(self) -> bool:
        return self.revoked


@dataclass
class Store:
    clients: dict[str, Client] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    assertions: set[str] = field(default_factory=set)

    def save(self, token: dict[str, Any], asked: Any) -> None:
        expires_at = time.time() + token["expires_in"]
        self.tokens[token["access_token"]] = Token(asked.client.client_id, token.get("scope", ""), expires_at)


STORE = Store({account.client_id: Client(*account) for account in SECRET_ACCOUNTS})
STORE.clients[SIGNER] = Client(SIGNER, "", "private_key_jwt")


class ClientCredentials(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class Assertion(JWTBearerClientAssertion):  # type: ignore[misc]
    CLIENT_AUTH_METHOD = "private_key_jwt"

    def get_audiences(self) -> list[str]:
        return [issuer(), TOKEN_URL]

    def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
        known = jti in STORE.assertions
        STORE.assertions.add(jti)
        return not known

    def resolve_client_public_key(self, client: Client) -> ECKey:
        return ECKey.import_key(public_jwk())


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return STORE.tokens.get(token_string)

    def revoke_token(self, token: Token, request: Any) -> None:
        token.revoked = True


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return STORE.tokens.get(token_string)

    def check_permission(self, token: Token, client: Client, request: Any) -> bool:
        return client.client_id == RESOURCE.client_id

    def introspect_token(self, token: Token) -> dict[str, Any]:
        return {"client_id": token.client_id, "scope": token.scope, "exp": int(token.expires_at), "token_type": "Bearer"}


class Validator(BearerTokenValidator):  # type: ignore[misc]
    def authenticate_token(self, token_string: str) -> Token | None:
        return STORE.tokens.get(token_string)


METADATA = AuthorizationServerMetadata(
    issuer=issuer(),
    authorization_endpoint=f"{issuer()}/oauth/authorize",
    token_endpoint=TOKEN_URL,
    revocation_endpoint=f"{issuer()}/oauth/revoke",
    introspection_endpoint=f"{issuer()}/oauth/introspect",
    response_types_supported=["code"],
    grant_types_supported=["client_credentials"],
    token_endpoint_auth_methods_supported=METHODS,
    token_endpoint_auth_signing_alg_values_supported=["ES256"],
)
METADATA.validate()

application = Flask(__name__)
application.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"client_credentials": LIFETIME}
application.config["OAUTH2_SCOPES_SUPPORTED"] = [READ, WRITE]
server = AuthorizationServer(application, query_client=STORE.clients.get, save_token=STORE.save)
server.register_client_auth_method("private_key_jwt", Assertion())
server.register_grant(ClientCredentials)
server.register_endpoint(Revocation)
server.register_endpoint(Introspection)
protected = ResourceProtector()
protected.register_token_validator(Validator())


@application.get("/.well-known/oauth-authorization-server")
def metadata() -> Response:
    return jsonify(METADATA)


@application.post("/oauth/token")
def token() -> Response:
    answer: Response = server.create_token_response(request)
    return answer


@application.post("/oauth/<any(revoke, introspect):endpoint>")
def at_endpoint(endpoint: str) -> Response:
    names = {"revoke": "revocation", "introspect": "introspection"}
    answer: Response = server.create_endpoint_response(names[endpoint], request)
    return answer


@application.get("/challenged/orders")
@protected(READ)  # type: ignore[untyped-decorator]
def orders() -> Response:
    return jsonify(orders=[])


@application.get("/challenged/reports")
@protected(WRITE)  # type: ignore[untyped-decorator]
def reports() -> Response:
    return jsonify(orders=[])
