"""Token endpoint and metadata of the sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from .authentication import Grant, OAuthError, PresentedCredentials, authenticate, read_credentials
from .counts import TOKEN_ROUTE, SeenTokenRequest
from .sandbox_options import ALL_SCOPES, Account
from .state import state_of

_FORMATS = {"application/json": "json", "application/x-www-form-urlencoded": "form"}


def read_parameters(content_type: str, body: bytes, formats: tuple[str, ...]) -> dict[str, str]:
    """Return the parameters in a body in one of ``formats``, or raise OAuthError."""
    body_format = _FORMATS.get(content_type.partition(";")[0].strip().lower())
    if body_format not in formats:
        raise OAuthError("invalid_request", f"The body has to be {' or '.join(formats)}.")
    try:
        pairs = (
            _json_pairs(body)
            if body_format == "json"
            else parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body))
        )
    except (ValueError, RecursionError):
        raise OAuthError("invalid_request", "The body cannot be parsed.") from None
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise OAuthError("invalid_request", "A parameter occurs twice.")
    return parameters


def grant(account: Account, parameters: Mapping[str, str], expires_at: float) -> Grant:
    """Grant the requested scopes, or all of the account's. Raise OAuthError for any other request."""
    grant_type = parameters.get("grant_type")
    if grant_type is None:
        raise OAuthError("invalid_request", "grant_type is missing.")
    if grant_type != "client_credentials":
        raise OAuthError("unsupported_grant_type", "The only grant type here is client_credentials.")
    scopes = parameters.get("scope", "").split() or account.scopes
    if not set(scopes) <= set(account.scopes):
        raise OAuthError("invalid_scope", "The account does not have all of these scopes.")
    return Grant(account.client_id, frozenset(scopes), expires_at)


def _json_pairs(body: bytes) -> list[tuple[str, str]]:
    pairs = json.loads(body, object_pairs_hook=list)
    json.dumps(pairs, ensure_ascii=False).encode()  # a lone surrogate is not valid text
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) and isinstance(pair[1], str) for pair in pairs):
        raise ValueError("not an object of strings")
    return pairs


async def answer_metadata_request(request: Request) -> ASGIApp:
    """Return the metadata of the authorization server, or the next fault, as an ASGI application."""
    state, base = state_of(request), request.app.base_path
    base_url = f"{request.url.scheme}://{request.url.netloc}{base}"
    document = {
        "issuer": state.options.issuer or base_url,
        "token_endpoint": f"{base_url}{TOKEN_ROUTE}",
        "token_endpoint_auth_methods_supported": state.options.client_auth_methods,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": sorted(ALL_SCOPES),
    }
    fault = state.metadata_faults.next(request.url.path.removeprefix(base))
    app = JSONResponse(document)
    return app if fault is None else fault.replace(state.pauses, app, document)


_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_CONFIDENTIAL = ("client_secret", "client_assertion")


async def answer_token_request(request: Request) -> ASGIApp:
    """Return the response of the token endpoint, or the next fault, as an ASGI application."""
    state = state_of(request)
    options, body, content_type = state.options, await request.body(), request.headers.get("content-type", "")
    token_url = str(request.url.replace(query=""))
    audiences = (token_url, options.issuer or token_url.removesuffix(TOKEN_ROUTE))
    parameters: Mapping[str, str] = {}
    credentials = PresentedCredentials()
    outcome: Grant | OAuthError
    try:
        parameters = read_parameters(content_type, body, options.body_formats)
        credentials = read_credentials(request.headers.get("authorization"), parameters, options)
        outcome = grant(authenticate(credentials, parameters, state, audiences), parameters, state.clock() + options.lifetime)
    except OAuthError as error:
        outcome = error
    fault = state.token_faults.next("")
    state.counters.token_request(
        SeenTokenRequest(
            client_id=credentials.client_id,
            method=credentials.method,
            content_type=content_type,
            parameters={name: value for name, value in parameters.items() if name not in _CONFIDENTIAL},
            error=outcome.code if isinstance(outcome, OAuthError) else None,
            fault=fault.name if fault else None,
        )
    )
    await state.pauses.sleep(options.token_delay)
    if isinstance(outcome, OAuthError):
        text, app = "{}", error_response(outcome)
    else:
        token = state.tokens.issue(outcome)
        text = json.dumps({"access_token": token, "token_type": "Bearer", "scope": " ".join(sorted(outcome.scopes))})
        expires_in = f"{options.lifetime:.15g}" if options.expires_in is None else options.expires_in
        if expires_in:  # as text, because it may be a number that Python cannot hold
            text = f'{text[:-1]}, "expires_in": {expires_in}}}'
        app = Response(text, headers={**_NO_STORE, "Content-Type": "application/json"})
    return app if fault is None else fault.replace(state.pauses, app, json.loads(text), credentials.secret)


def error_response(error: OAuthError) -> Response:
    """Return an error response (RFC 6749 §5.2). A 401 names the scheme for ``Authorization``."""
    headers = {**_NO_STORE, "WWW-Authenticate": 'Basic realm="prio"'} if error.status == 401 else _NO_STORE
    body = {
        "error": error.code,
        "error_description": error.description,
        "error_uri": f"https://docs.example/errors/{error.code}",
    }
    return JSONResponse(body, error.status, headers)
