"""The faults, by name: what the token endpoint, the metadata and the API answer instead of what they should.

``TOKEN_FAULTS``, ``METADATA_FAULTS`` and ``API_FAULTS`` list them all, so that a test can go through them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp

from .fault_plan import Fault, Spoilt
from .problems import Problem, bad_request, forbidden, not_found
from .wire import Drop, Raw, Stall, Stream, Truncated, endless, gzip_bomb, gzipped

_HTML = "<!doctype html><title>Gateway</title><h1>Something is wrong</h1>"
_JSON = {"content-type": "application/json"}
_MIB = 1024 * 1024


def _redirect(status: int) -> Fault:
    return lambda spoilt: Raw(status, headers={"location": spoilt.options.location})


def _busy(status: int) -> Fault:
    def answer(spoilt: Spoilt) -> Response:
        response = Problem(status, "TRY_AGAIN_LATER", "The server is busy.").response()
        wait = spoilt.options.retry_after
        if wait is not None:
            response.headers["Retry-After"] = wait if isinstance(wait, str) else f"{wait:g}"
        return response

    return answer


def _fixed(app: ASGIApp) -> Fault:
    return lambda _spoilt: app


def _html(status: int) -> Fault:
    return _fixed(HTMLResponse(_HTML, status))


def _json_text(text: str | bytes) -> Fault:
    return _fixed(Response(text, media_type="application/json"))


def _json(document: object) -> Response:
    return Response(json.dumps(document), headers=_JSON)


def _problem(problem: Problem) -> Fault:
    return lambda _spoilt: problem.response(challenges=True)


def _oauth_error(code: str, status: int = 400) -> Fault:
    return _fixed(JSONResponse({"error": code, "error_description": f"This is {code}."}, status))


def _changed(**members: object) -> Fault:
    return lambda spoilt: _json({**spoilt.document, **members})


def _without(name: str) -> Fault:
    return lambda spoilt: _json({key: value for key, value in spoilt.document.items() if key != name})


def _slashed_issuer(spoilt: Spoilt) -> Response:
    return _json({**spoilt.document, "issuer": f"{spoilt.document['issuer']}/"})


def _plain_token_endpoint(spoilt: Spoilt) -> Response:
    return _json({**spoilt.document, "token_endpoint": spoilt.document["token_endpoint"].replace("https:", "http:")})


def _moved_token_endpoint(spoilt: Spoilt) -> Response:
    return _json({**spoilt.document, "token_endpoint": spoilt.options.location})


def _echo(spoilt: Spoilt) -> Response:
    description = f"The secret {spoilt.secret} is wrong."
    return JSONResponse({"error": "invalid_client", "error_description": description}, 401)


def _unasked_gzip(spoilt: Spoilt) -> Response:
    return Response(gzipped(json.dumps(spoilt.document).encode()), headers={**_JSON, "content-encoding": "gzip"})


def _gzip_bomb(spoilt: Spoilt) -> Response:
    return Response(gzip_bomb(spoilt.options.size or 80 * _MIB), headers={**_JSON, "content-encoding": "gzip"})


def _huge(spoilt: Spoilt) -> Response:
    padding = b" " * (spoilt.options.size or 10 * _MIB)
    return Response(padding + json.dumps(spoilt.document).encode(), headers=_JSON)


def _drip(spoilt: Spoilt) -> ASGIApp:
    body = json.dumps(spoilt.document or {"slow": True}).encode()
    pieces = tuple(body[place : place + 1] for place in range(len(body)))
    return Stream(200, _JSON, pieces, spoilt.pauses, _seconds(spoilt, 60))


def _refusal(spoilt: Spoilt, size: int) -> bytes:
    return json.dumps(forbidden("x" * (spoilt.options.size or size)).body()).encode()


def _gzip_refusal(spoilt: Spoilt) -> Response:
    return Response(gzipped(_refusal(spoilt, 1000)), 403, {**_JSON, "content-encoding": "gzip"})


def _gzip_bomb_refusal(spoilt: Spoilt) -> Response:
    return Response(gzip_bomb(spoilt.options.size or 80 * _MIB), 403, {**_JSON, "content-encoding": "gzip"})


def _endless_refusal(spoilt: Spoilt) -> ASGIApp:
    return Stream(403, _JSON, endless(spoilt.options.size or 64 * _MIB), spoilt.pauses, _seconds(spoilt, 0))


def _challenge(status: int, error: str) -> Fault:
    return _problem(Problem(status, error.upper(), "The token will not do.", challenge=error))


def _seconds(spoilt: Spoilt, default: float) -> float:
    return default if spoilt.options.seconds is None else spoilt.options.seconds


_ANYWHERE: Mapping[str, Fault] = {
    "redirect_301": _redirect(301),
    "redirect_302": _redirect(302),
    "redirect_303": _redirect(303),
    "redirect_307": _redirect(307),
    "redirect_308": _redirect(308),
    "too_many_requests": _busy(429),
    "unavailable": _busy(503),
    "server_error": _html(500),
    "bad_gateway": _html(502),
    "bare_403": _fixed(Raw(403)),
    "drop": _fixed(Drop()),
    "truncated": lambda spoilt: Truncated(200, json.dumps(spoilt.document).encode()),
    "slow": lambda spoilt: Stall(spoilt.pauses, _seconds(spoilt, 1), spoilt.app),
    "stall": lambda spoilt: Stall(spoilt.pauses, _seconds(spoilt, 60)),
    "drip": _drip,
}

TOKEN_FAULTS: Mapping[str, Fault] = {
    **_ANYWHERE,
    "empty": _json_text(""),
    "html": _html(200),
    "error_under_200": _oauth_error("invalid_grant", 200),
    "json_array": _json_text("[]"),
    "json_number": _json_text("7"),
    "json_string": _json_text('"token"'),
    "json_null": _json_text("null"),
    "json_deep": _json_text("[" * 100_000),
    "json_huge_number": _json_text('{"access_token": "t", "token_type": "Bearer", "expires_in": ' + "9" * 5000 + "}"),
    "invalid_utf8": _json_text(b'{"access_token": "\xff\xfe"}'),
    "no_access_token": _without("access_token"),
    "access_token_null": _changed(access_token=None),
    "access_token_number": _changed(access_token=7),
    "access_token_object": _changed(access_token={"token": "t"}),
    "access_token_empty": _changed(access_token=""),
    "access_token_space": _changed(access_token="to ken"),
    "access_token_control": _changed(access_token="to\x00ken\x1b[2J"),
    "access_token_crlf": _changed(access_token="token\r\nX-Injected: yes"),
    "access_token_non_ascii": _changed(access_token="tok\u20acn"),
    "access_token_long": _changed(access_token="t" * 200_000),
    "no_token_type": _without("token_type"),
    "token_type_odd_case": _changed(token_type="bEARER"),
    "token_type_mac": _changed(token_type="mac"),
    "token_type_crlf": _changed(token_type="Bearer\r\nX-Injected: yes"),
    "token_type_number": _changed(token_type=1),
    "invalid_request": _oauth_error("invalid_request"),
    "invalid_client": _oauth_error("invalid_client", 401),
    "invalid_client_400": _oauth_error("invalid_client"),
    "invalid_grant": _oauth_error("invalid_grant"),
    "unauthorized_client": _oauth_error("unauthorized_client"),
    "unsupported_grant_type": _oauth_error("unsupported_grant_type"),
    "invalid_scope": _oauth_error("invalid_scope"),
    "method_not_allowed": _oauth_error("invalid_request", 405),
    "bare_401": _fixed(Raw(401)),
    "secret_echo": _echo,
    "huge_body": _huge,
    "unasked_gzip": _unasked_gzip,
    "corrupt_gzip": _fixed(Raw(200, b"\x1f\x8b\x08junk", {**_JSON, "content-encoding": "gzip"})),
    "gzip_bomb": _gzip_bomb,
}

METADATA_FAULTS: Mapping[str, Fault] = {
    **_ANYWHERE,
    "not_found": _problem(not_found("There is no such call.")),
    "empty": _json_text(""),
    "html": _html(200),
    "json_array": _json_text("[]"),
    "invalid_utf8": _json_text(b'{"issuer": "\xff\xfe"}'),
    "no_issuer": _without("issuer"),
    "other_issuer": _changed(issuer="https://elsewhere.example"),
    "slashed_issuer": _slashed_issuer,
    "no_token_endpoint": _without("token_endpoint"),
    "plain_token_endpoint": _plain_token_endpoint,
    "moved_token_endpoint": _moved_token_endpoint,
    "other_auth_methods": _changed(token_endpoint_auth_methods_supported=["tls_client_auth"]),
    "huge_body": _huge,
    "gzip_bomb": _gzip_bomb,
}

API_FAULTS: Mapping[str, Fault] = {
    **_ANYWHERE,
    "refused_400": _problem(bad_request("The request is wrong.")),
    "refused_401": _problem(Problem(401, "AUTHORIZATION_FAILURE", "Not authorized.")),
    "refused_403": _problem(forbidden("Not authorized.")),
    "invalid_token": _challenge(401, "invalid_token"),
    "insufficient_scope": _challenge(403, "insufficient_scope"),
    "long_refusal": lambda spoilt: Raw(403, _refusal(spoilt, 100_000), _JSON),
    "gzip_refusal": _gzip_refusal,
    "gzip_bomb_refusal": _gzip_bomb_refusal,
    "endless_refusal": _endless_refusal,
}
