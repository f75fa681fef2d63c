"""Faults of a sandbox, and the plan of the next ones."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.types import ASGIApp

from .api_errors import ApiError, bad_request, forbidden, not_found, unknown
from .wire import Drop, Pauses, Stall, Truncated, dripping, endless, gzip_bomb


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """Options of a fault.

    Attributes:
        location: the target of redirects, and of a moved token endpoint in the metadata.
        retry_after: the ``Retry-After`` header; text is sent unchanged.
        seconds: the duration of slow faults.
        size: the size of large bodies, in bytes.
    """

    location: str = "https://elsewhere.example/"
    retry_after: float | str | None = None
    seconds: float | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """Response that a fault replaces.

    Attributes:
        app: the original response.
        document: the original token response or metadata; empty at the API.
        secret: the secret of the token request; empty at the API.
    """

    options: FaultOptions
    pauses: Pauses
    app: ASGIApp
    document: Mapping[str, Any]
    secret: str


Fault = Callable[[Replaced], ASGIApp]


@dataclass(slots=True)
class PlannedFault:
    """Fault of the next ``times`` responses at routes that begin with ``path``; of all responses if ``times`` is None."""

    name: str
    fault: Fault
    options: FaultOptions
    times: int | None
    path: str

    def replace(self, pauses: Pauses, app: ASGIApp, document: Mapping[str, Any] | None = None, secret: str = "") -> ASGIApp:
        """Return the response that replaces ``app``. The arguments are attributes of :class:`Replaced`."""
        return self.fault(Replaced(self.options, pauses, app, document or {}, secret))


class FaultPlan:
    """Planned faults of the token endpoint, the metadata or the API, in their order. Thread-safe."""

    def __init__(self, table: Mapping[str, Fault]) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._due: list[PlannedFault] = []

    def add(self, name: str, options: FaultOptions, times: int | None = 1, path: str = "") -> None:
        """Plan the fault ``name``. Raise ConfigurationError if there is none."""
        if name not in self._table:
            raise unknown("fault", name, self._table)
        with self._lock:
            self._due.append(PlannedFault(name, self._table[name], options, times, path))

    def clear(self) -> None:
        """Drop every planned fault."""
        with self._lock:
            self._due.clear()

    def next(self, route: str) -> PlannedFault | None:
        """Return the fault of the next response at ``route``, if one is planned."""
        with self._lock:
            due = next((due for due in self._due if route.startswith(due.path)), None)
            if due is not None and due.times is not None:
                due.times -= 1
                if due.times <= 0:
                    self._due.remove(due)
            return due


_JSON = {"content-type": "application/json"}
_GZIP = {**_JSON, "content-encoding": "gzip"}
_MIB = 1024 * 1024


def _redirect(status: int) -> Fault:
    return lambda replaced: Response(status_code=status, headers={"location": replaced.options.location})


def _busy(status: int) -> Fault:
    def answer(replaced: Replaced) -> Response:
        response = ApiError(status, "TRY_AGAIN_LATER", "The server is busy.").response()
        wait = replaced.options.retry_after
        if wait is not None:
            response.headers["Retry-After"] = wait if isinstance(wait, str) else f"{wait:g}"
        return response

    return answer


def _fixed(app: ASGIApp) -> Fault:
    return lambda _replaced: app


def _html(status: int) -> Fault:
    return _fixed(HTMLResponse("<!doctype html><title>Gateway</title><h1>Something is wrong</h1>", status))


def _json_text(text: str | bytes) -> Fault:
    return _fixed(Response(text, media_type="application/json"))


def _json(document: object) -> Response:
    return Response(json.dumps(document), headers=_JSON)


def _api_error(error: ApiError) -> Fault:
    return lambda _replaced: error.response(challenges=True)


def _oauth_error(code: str, status: int = 400) -> Fault:
    return _fixed(JSONResponse({"error": code, "error_description": f"This is {code}."}, status))


def _changed(**members: object) -> Fault:
    return lambda replaced: _json({**replaced.document, **members})


def _without(name: str) -> Fault:
    return lambda replaced: _json({key: value for key, value in replaced.document.items() if key != name})


def _gzip_bomb(status: int) -> Fault:
    return lambda replaced: Response(gzip_bomb(replaced.options.size or 80 * _MIB), status, _GZIP)


def _huge(replaced: Replaced) -> Response:
    padding = b" " * (replaced.options.size or 10 * _MIB)
    return Response(padding + json.dumps(replaced.document).encode(), headers=_JSON)


def _refusal(replaced: Replaced, size: int) -> bytes:
    return json.dumps(forbidden("x" * (replaced.options.size or size)).body()).encode()


def _seconds(replaced: Replaced, default: float) -> float:
    return default if replaced.options.seconds is None else replaced.options.seconds


_ANYWHERE: Mapping[str, Fault] = {
    **{f"redirect_{status}": _redirect(status) for status in (301, 302, 303, 307, 308)},
    "too_many_requests": _busy(429),
    "unavailable": _busy(503),
    "server_error": _html(500),
    "bad_gateway": _html(502),
    "bare_403": _fixed(Response(status_code=403)),
    "drop": _fixed(Drop()),
    "truncated": lambda replaced: Truncated(200, json.dumps(replaced.document).encode()),
    "slow": lambda replaced: Stall(replaced.pauses, _seconds(replaced, 1), replaced.app),
    "stall": lambda replaced: Stall(replaced.pauses, _seconds(replaced, 60)),
    "drip": lambda replaced: StreamingResponse(
        dripping(
            [bytes([byte]) for byte in json.dumps(replaced.document or {"slow": True}).encode()],
            replaced.pauses,
            _seconds(replaced, 60),
        ),
        headers=_JSON,
    ),
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
    "bare_401": _fixed(Response(status_code=401)),
    "secret_echo": lambda replaced: JSONResponse(
        {"error": "invalid_client", "error_description": f"The secret {replaced.secret} is wrong."}, 401
    ),
    "huge_body": _huge,
    "unasked_gzip": lambda replaced: Response(gzip.compress(json.dumps(replaced.document).encode()), headers=_GZIP),
    "corrupt_gzip": _fixed(Response(b"\x1f\x8b\x08junk", headers=_GZIP)),
    "gzip_bomb": _gzip_bomb(200),
}

METADATA_FAULTS: Mapping[str, Fault] = {
    **_ANYWHERE,
    "not_found": _api_error(not_found("There is no such call.")),
    "empty": _json_text(""),
    "html": _html(200),
    "json_array": _json_text("[]"),
    "invalid_utf8": _json_text(b'{"issuer": "\xff\xfe"}'),
    "no_issuer": _without("issuer"),
    "other_issuer": _changed(issuer="https://elsewhere.example"),
    "slashed_issuer": lambda replaced: _json({**replaced.document, "issuer": f"{replaced.document['issuer']}/"}),
    "no_token_endpoint": _without("token_endpoint"),
    "plain_token_endpoint": lambda replaced: _json(
        {**replaced.document, "token_endpoint": replaced.document["token_endpoint"].replace("https:", "http:")}
    ),
    "moved_token_endpoint": lambda replaced: _json({**replaced.document, "token_endpoint": replaced.options.location}),
    "other_auth_methods": _changed(token_endpoint_auth_methods_supported=["tls_client_auth"]),
    "huge_body": _huge,
    "gzip_bomb": _gzip_bomb(200),
}

API_FAULTS: Mapping[str, Fault] = {
    **_ANYWHERE,
    "refused_400": _api_error(bad_request("The request is wrong.")),
    "refused_401": _api_error(ApiError(401, "AUTHORIZATION_FAILURE", "Not authorized.")),
    "refused_403": _api_error(forbidden("Not authorized.")),
    "invalid_token": _api_error(ApiError(401, "INVALID_TOKEN", "The token is not accepted.", "invalid_token")),
    "insufficient_scope": _api_error(ApiError(403, "INSUFFICIENT_SCOPE", "The token is not accepted.", "insufficient_scope")),
    "long_refusal": lambda replaced: Response(_refusal(replaced, 100_000), 403, _JSON),
    "gzip_refusal": lambda replaced: Response(gzip.compress(_refusal(replaced, 1000)), 403, _GZIP),
    "gzip_bomb_refusal": _gzip_bomb(403),
    "endless_refusal": lambda replaced: StreamingResponse(
        dripping(endless(replaced.options.size or 64 * _MIB), replaced.pauses, _seconds(replaced, 0)), 403, _JSON
    ),
}
