"""The sandbox as an ASGI application: the distributor API, behind a middleware for limits and faults."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .admin import Admin, answer_admin_request
from .api_errors import ApiError, bad_request, forbidden
from .authentication import Grant, OAuthError, authorize, authorize_key
from .booking import PRODUCTS as CATALOGUE
from .booking import find_product, read_date
from .counts import METADATA_ROUTE, TOKEN_ROUTE, SeenRequest
from .sandbox_options import ALL_SCOPES, BOOKING, BOOKING_DETAILS, BOOKINGS, PRODUCTS, RESERVATIONS, SandboxOptions
from .state import Clock, State, state_of
from .token_endpoint import answer_metadata_request, answer_token_request, error_response
from .wire import Stall

ADMIN = "/_sandbox/"  # Path of the admin interface, whose requests are not counted.


class Gate:
    """ASGI middleware that counts requests, enforces limits and causes faults."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(ADMIN):
            await self._app(scope, receive, send)
            return
        state: State = scope["app"].sandbox_state
        seen = record_of(scope)
        caller = (scope.get("client") or ("", 0))[0]  # the limits count by IP address

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                state.counters.answered(seen, message["status"])
                if 400 <= message["status"] <= 499:
                    state.limits.count_client_error(caller, state.clock(), enforced=state.options.limits)
            await send(message)

        state.counters.arrived(seen)
        try:
            # A client that disconnects in the middle of its request gets no response.
            with contextlib.suppress(ClientDisconnect):
                await self._answer(state, seen, scope["scheme"], caller)(scope, receive, counted_send)
        finally:
            state.counters.left(seen)

    def _answer(self, state: State, seen: SeenRequest, scheme: str, caller: str) -> ASGIApp:
        blocked_for = state.limits.admit(caller, state.clock(), enforced=state.options.limits)
        if blocked_for is not None:
            state.counters.blocked()
            message = "A limit was exceeded: every call is blocked for a minute."
            response = ApiError(429, "TOO_MANY_REQUESTS", message).response()
            response.headers["Retry-After"] = str(math.ceil(blocked_for))
            return response
        if state.options.https_only and scheme != "https":
            return ApiError(403, "HTTPS_REQUIRED", "Plain HTTP is not accepted.").response()
        if seen.token_request:
            return self._app
        delay = state.options.api_delay
        app = Stall(state.pauses, delay, self._app) if delay else self._app
        fault = state.api_faults.next(seen.route)
        return app if fault is None else fault.replace(state.pauses, app)


def record_of(scope: Scope) -> SeenRequest:
    """Return the record of a request."""
    path: str = scope["path"]
    query: bytes = scope["query_string"]
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    return SeenRequest(
        method=scope["method"],
        path=f"{path}?{query.decode('latin-1')}" if query else path,
        route=path.removeprefix(scope["app"].base_path),
        host=headers.get(b"host", ""),
        authorization=headers.get(b"authorization"),
        app_headers={name.decode("latin-1"): value for name, value in headers.items() if name.startswith(b"app-")},
    )


def needs(call: Callable[[Request, Grant], Awaitable[Response]], *scopes: str) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of ``call``, for tokens with one of ``scopes``."""

    async def guarded(request: Request) -> Response:
        state, authorization = state_of(request), request.headers.get("authorization")
        keys = (request.headers.get("x-api-key"), request.query_params.get("key"), (authorization or "").partition(" ")[2])
        grant = authorize_key(keys, state.options)
        grant = grant or authorize(authorization, scopes, state.tokens, state.options, state.clock())
        return await call(request, grant)

    return guarded


async def products(_request: Request, _grant: Grant) -> Response:
    """Return the products that this distributor may sell."""
    items = [product.to_json() for product in CATALOGUE.values() if not product.restricted]
    return _data({"total_items": len(items), "items": items})


async def product(request: Request, _grant: Grant) -> Response:
    """Return one product."""
    return _data({"product": find_product(request.path_params["product_id"]).to_json()})


async def availability(request: Request, _grant: Grant) -> Response:
    """Return the time slots of a product on one day."""
    found, state = find_product(request.path_params["product_id"]), state_of(request)
    date = read_date(request.query_params.get("date"))
    return _data({"items": state.bookings.availability(found, date, state.clock())})


async def reserve(request: Request, grant: Grant) -> Response:
    """Reserve tickets."""
    state = state_of(request)
    made = state.bookings.reserve(grant.client_id, await _json_object(request), state.clock())
    return _data({"reservation": made.to_json()}, 201)


async def reservation(request: Request, grant: Grant) -> Response:
    """Return or cancel a reservation."""
    bookings, reference = state_of(request).bookings, request.path_params["reference"]
    if request.method == "DELETE":
        bookings.cancel(grant.client_id, reference)
        return Response(status_code=204)
    return _data({"reservation": bookings.reservation(grant.client_id, reference).to_json()})


async def order(request: Request, grant: Grant) -> Response:
    """Order the tickets of a reservation."""
    reference, state = (await _json_object(request)).get("reservation_reference"), state_of(request)
    return _data({"order": state.bookings.order(grant.client_id, reference, state.clock()).order_to_json()}, 201)


async def find_order(request: Request, grant: Grant) -> Response:
    """Return an order."""
    found = state_of(request).bookings.find_order(grant.client_id, request.path_params["reference"])
    return _data({"order": found.order_to_json()})


async def echo(request: Request, _grant: Grant) -> Response:
    """Return what :func:`open_echo` returns, for a valid token."""
    return await open_echo(request)


async def open_echo(request: Request) -> Response:
    """Return the request's headers, and its body's length and digest. No token is needed."""
    body = await request.body()
    return JSONResponse(
        {
            "method": request.method,
            "url": str(request.url),
            "headers": dict(request.headers),
            "body_length": len(body),
            "body_sha256": hashlib.sha256(body).hexdigest(),
        }
    )


async def redirect(request: Request) -> Response:
    """Redirect ``to`` any URL with any ``status``. No token is needed."""
    status = request.query_params.get("status", "302")
    if not (status.isascii() and status.isdigit() and 300 <= int(status) <= 399):
        raise bad_request("status has to be a number from 300 to 399.")
    to = request.query_params.get("to", "")
    if not to.isprintable() or to != to.strip():
        raise bad_request("to has to be printable, without spaces at its ends.")
    return Response(status_code=int(status), headers={"Location": to.encode().decode("latin-1")})


async def forbid(_request: Request, _grant: Grant) -> Response:
    """Reject the call: no client may read reports."""
    raise forbidden("Access is not authorized.")


def _data(data: Mapping[str, object], status: int = 200) -> Response:
    return JSONResponse({"api_version": "3.8", "data": data}, status)


async def _json_object(request: Request) -> Mapping[str, object]:
    try:
        document = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise bad_request("The body is not JSON.") from None
    if not isinstance(document, dict):
        raise bad_request("The body is not a JSON object.")
    return document


_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

_CALLS = [
    Route(TOKEN_ROUTE, answer_token_request, methods=["POST"]),
    Route("/system/ping", lambda _: JSONResponse({"ping": "pong"})),
    Route("/system/status", lambda _: JSONResponse({"status": "operational"})),
    Route("/products", needs(products, PRODUCTS, BOOKING)),
    Route("/products/{product_id}", needs(product, PRODUCTS, BOOKING)),
    Route("/products/{product_id}/availability", needs(availability, PRODUCTS, BOOKING)),
    Route("/reservations", needs(reserve, RESERVATIONS, BOOKING), methods=["POST"]),
    Route("/reservations/{reference}", needs(reservation, RESERVATIONS, BOOKING), methods=["GET", "DELETE"]),
    Route("/orders", needs(order, BOOKINGS, BOOKING), methods=["POST"]),
    Route("/orders/{reference}", needs(find_order, BOOKING_DETAILS, BOOKINGS, BOOKING)),
    Route("/reports/{path:path}", needs(forbid, *ALL_SCOPES), methods=_METHODS),
    Route("/redirect", redirect, methods=_METHODS),
    Route("/echo", needs(echo, *ALL_SCOPES), methods=_METHODS),
]
"""Routes below the API's root."""


class SandboxApp(Starlette):
    """ASGI application of the sandbox, for asyncio and trio.

    Args:
        options: its initial behaviour.
        clock: the clock of tokens, reservations and limits.

    Attributes:
        admin: its admin interface.
        base_path: the path of the API's root.
    """

    def __init__(self, options: SandboxOptions | None = None, clock: Clock | None = None) -> None:
        self.options = options or SandboxOptions()
        self.base_path = f"/{self.options.version}/distributor"
        self.sandbox_state = State(self.options, clock or Clock())
        self.admin = Admin(self.sandbox_state)
        super().__init__(
            routes=[
                # Before the path (RFC 8414 §3.1), and after it (OpenID Connect Discovery 1.0 §4).
                Route(f"{METADATA_ROUTE}oauth-authorization-server{self.base_path}", answer_metadata_request),
                Route(f"{self.base_path}{METADATA_ROUTE}openid-configuration", answer_metadata_request),
                Mount(self.base_path, routes=_CALLS),
                Route("/echo", open_echo, methods=_METHODS),
                Route("/redirect", redirect, methods=_METHODS),
                Route(f"{ADMIN}{{operation}}", answer_admin_request, methods=["POST"]),
            ],
            middleware=[Middleware(Gate)],
            exception_handlers={HTTPException: self._answer_error, ApiError: self._answer_error},
        )

    def _answer_error(self, request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            if error.status_code == 405 and request.url.path.endswith(TOKEN_ROUTE):
                return error_response(OAuthError("invalid_request", "A token request is a POST.", 405))
            code = "NOT_FOUND" if error.status_code == 404 else "METHOD_NOT_ALLOWED"
            error = ApiError(error.status_code, code, "There is no such call.")
        return cast("ApiError", error).response(challenges=self.sandbox_state.options.challenges)
