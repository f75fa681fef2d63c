"""The token endpoint, as Prio speaks it or as RFC 6749 does: an I/O shell around :mod:`.grants`."""

from __future__ import annotations

import json
import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from .client_auth import Authenticator, OAuthError
from .counts import TOKEN_ROUTE, SeenTokenRequest
from .fault_plan import Spoilt
from .grants import Ask, Decision, decide
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
        if isinstance(decision.outcome, OAuthError):
            text, app = "{}", _error_response(decision.outcome)
        else:
            text = self._issue(decision.outcome)
            app = Response(text, headers={**_NO_STORE, "Content-Type": "application/json"})
        if fault is None:
            return app
        name, how = fault
        spoilt = Spoilt(how, state.pauses, app, json.loads(text), decision.credentials.secret)
        return state.token_faults.spoil(name, spoilt)

    def _issue(self, grant: Grant) -> str:
        """RFC 6749 §5.1, as text: what is announced as ``expires_in`` may be a number that Python cannot hold."""
        options = self._state.options
        token = self._state.tokens.issue(grant)
        text = json.dumps({"access_token": token, "token_type": "Bearer", "scope": " ".join(sorted(grant.scopes))})
        announced = f"{options.lifetime:.15g}" if options.expires_in is None else options.expires_in
        return f'{text[:-1]}, "expires_in": {announced}}}' if announced else text

    def _authenticator(self, request: Request) -> Authenticator:
        state = self._state
        token_url = str(request.url.replace(query=""))
        issuer = state.options.issuer or token_url.removesuffix(TOKEN_ROUTE)
        return Authenticator(state.options, state.accounts, (token_url, issuer), state.assertions, time.time())


def method_not_allowed() -> Response:
    """The answer to anything but POST."""
    return _error_response(OAuthError("invalid_request", "A token request is a POST.", 405))


def _error_response(error: OAuthError) -> Response:
    """RFC 6749 §5.2: a 401 names the scheme that a client may use with ``Authorization``."""
    headers = {**_NO_STORE, "WWW-Authenticate": 'Basic realm="prio"'} if error.status == 401 else _NO_STORE
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
