"""The token endpoint, as Prio speaks it or as RFC 6749 does: an I/O shell around :mod:`.grants`."""

from __future__ import annotations

import json
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from .client_auth import Authenticator, OAuthError
from .counts import SeenTokenRequest
from .fault_plan import Spoilt
from .grants import Ask, Decision, decide
from .options import SandboxOptions
from .state import State
from .tokens import Grant

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_CONFIDENTIAL = ("client_secret", "client_assertion")


class TokenEndpoint:
    """Answers token requests: truthfully, or as the next fault has it."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def answer(self, request: Request) -> ASGIApp:
        """The answer, as an ASGI application."""
        state, options = self._state, self._state.options
        body = await request.body()
        ask = Ask(request.headers.get("authorization"), request.headers.get("content-type", ""), body)
        decision = decide(ask, self._authenticator(request), state.clock() + options.lifetime)
        fault = state.token_faults.next("")
        state.tally.token_request(_seen(request, decision, fault[0] if fault else None))
        await state.pauses.sleep(options.token_delay)
        if isinstance(decision.outcome, Grant):
            token = _token_response(state.tokens.issue(decision.outcome), decision.outcome, options)
            answer = JSONResponse(token, headers=_NO_STORE)
        else:
            token, answer = {}, _error_response(decision.outcome, challenge=ask.authorization is not None)
        if fault is None:
            return answer
        name, how = fault
        return state.token_faults.spoil(name, Spoilt(how, state.pauses, answer, token, decision.credentials.secret))

    def _authenticator(self, request: Request) -> Authenticator:
        state = self._state
        token_url = str(request.url.replace(query=""))
        audiences = (token_url, state.options.issuer) if state.options.issuer else (token_url,)
        return Authenticator(state.options, state.accounts, audiences, state.assertions, time.time())


def method_not_allowed() -> JSONResponse:
    """The answer to anything but POST."""
    return _error_response(OAuthError("invalid_request", "A token request is a POST.", 405), challenge=False)


def _token_response(token: str, grant: Grant, options: SandboxOptions) -> dict[str, Any]:
    response: dict[str, Any] = {"access_token": token, "token_type": "Bearer"}
    if options.expires_in is None:
        response["expires_in"] = int(options.lifetime) if options.lifetime == int(options.lifetime) else options.lifetime
    elif options.expires_in:
        response["expires_in"] = json.loads(options.expires_in)
    return {**response, "scope": " ".join(sorted(grant.scopes))}


def _error_response(error: OAuthError, *, challenge: bool) -> JSONResponse:
    """RFC 6749 §5.2: a 401 to a client that used ``Authorization`` says which scheme would do."""
    headers = {**_NO_STORE, "WWW-Authenticate": 'Basic realm="prio"'} if challenge and error.status == 401 else _NO_STORE
    body = {
        "error": error.code,
        "error_description": error.description,
        "error_uri": f"https://docs.example/errors/{error.code}",
    }
    return JSONResponse(body, error.status, headers)


def _seen(request: Request, decision: Decision, fault: str | None) -> SeenTokenRequest:
    return SeenTokenRequest(
        client_id=decision.credentials.client_id,
        method=decision.credentials.method,
        content_type=request.headers.get("content-type", ""),
        accept_encoding=request.headers.get("accept-encoding", ""),
        parameters={name: value for name, value in decision.parameters.items() if name not in _CONFIDENTIAL},
        error=decision.outcome.code if isinstance(decision.outcome, OAuthError) else None,
        fault=fault,
    )
