"""The sandbox as an ASGI application: the distributor API, behind a middleware for limits and faults."""

from __future__ import annotations

import contextlib
import functools
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

from .admin import Admin, AdminEndpoint, Operations, perform
from .api_errors import ApiError, bad_request, forbidden
from .authentication import Grant, OAuthError, authorize, authorize_key
from .booking import PRODUCTS as CATALOGUE
from .booking import find_product, read_date
from .counts import TOKEN_ROUTE, SeenRequest
from .faults import Replaced
from .sandbox_options import ALL_SCOPES, BOOKING, BOOKING_DETAILS, BOOKINGS, PRODUCTS, RESERVATIONS, SandboxOptions
from .state import Clock, State
from .token_endpoint import MetadataEndpoint, SandboxTokenEndpoint, error_response
from .wire import Stall

ADMIN = "/_sandbox/"
"""Path of the admin interface, whose requests are not counted."""


class Gate:
    """ASGI middleware that counts requests, enforces limits and causes faults.

    Args:
        app: the routes.
        state: the sandbox's state.
        base: the path of the API's root.
    """

    def __init__(self, app: ASGIApp, state: State, base: str) -> None:
        self._app = app
        self._state = state
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(ADMIN):
            await self._app(scope, receive, send)
        else:
            await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        state, seen = self._state, see(scope, self._base)
        caller = (scope.get("client") or ("", 0))[0]  # the limits count by IP address

        async def counted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                state.counters.answered(seen, message["status"])
                if 400 <= message["status"] <= 499:
                    state.limits.refused(caller, state.clock(), enforced=state.options.limits)
            await send(message)

        state.counters.arrived(seen, state.clock())
        try:
            # A client that disconnects in the middle of its request gets no response.
            with contextlib.suppress(ClientDisconnect):
                await self._answer(seen, scope["scheme"], caller)(scope, receive, counted_send)
        finally:
            state.counters.left(seen)

    def _answer(self, seen: SeenRequest, scheme: str, caller: str) -> ASGIApp:
        state, options = self._state, self._state.options
        blocked_for = state.limits.admit(caller, state.clock(), enforced=options.limits)
        if blocked_for is not None:
            state.counters.blocked()
            message = "A limit was exceeded: every call is blocked for a minute."
            response = ApiError(429, "TOO_MANY_REQUESTS", message).response()
            response.headers["Retry-After"] = str(math.ceil(blocked_for))
            return response
        if options.https_only and scheme != "https":
            return ApiError(403, "HTTPS_REQUIRED", "Plain HTTP is not accepted.").response()
        if seen.token_request:
            return self._app
        app = Stall(state.pauses, options.api_delay, self._app) if options.api_delay else self._app
        fault = state.api_faults.next(seen.route)
        return app if fault is None else state.api_faults.replace(fault[0], Replaced(fault[1], state.pauses, app))


def see(scope: Scope, base: str) -> SeenRequest:
    """Return the record of a request."""
    path: str = scope["path"]
    query: bytes = scope["query_string"]
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    return SeenRequest(
        method=scope["method"],
        path=f"{path}?{query.decode('latin-1')}" if query else path,
        route=path.removeprefix(base),
        host=headers.get(b"host", ""),
        authorization=headers.get(b"authorization"),
        app_headers={name.decode("latin-1"): value for name, value in headers.items() if name.startswith(b"app-")},
    )


Call = Callable[[Request, Grant], Awaitable[Response]]

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class DistributorApi:
    """Routes of the API, with the state of one sandbox."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Return the routes below the API's root, except the token endpoint."""
        needs = self._needs
        return [
            Route("/system/ping", lambda _: JSONResponse({"ping": "pong"})),
            Route("/system/status", lambda _: JSONResponse({"status": "operational"})),
            Route("/products", needs(self.products, PRODUCTS, BOOKING)),
            Route("/products/{product_id}", needs(self.product, PRODUCTS, BOOKING)),
            Route("/products/{product_id}/availability", needs(self.availability, PRODUCTS, BOOKING)),
            Route("/reservations", needs(self.reserve, RESERVATIONS, BOOKING), methods=["POST"]),
            Route("/reservations/{reference}", needs(self.reservation, RESERVATIONS, BOOKING)),
            Route("/reservations/{reference}", needs(self.cancel, RESERVATIONS, BOOKING), methods=["DELETE"]),
            Route("/orders", needs(self.order, BOOKINGS, BOOKING), methods=["POST"]),
            Route("/orders/{reference}", needs(self.find_order, BOOKING_DETAILS, BOOKINGS, BOOKING)),
            Route("/reports/{path:path}", needs(forbid, *ALL_SCOPES), methods=_METHODS),
            Route("/redirect", redirect, methods=_METHODS),
            Route("/echo", needs(lambda request, _: open_echo(request), *ALL_SCOPES), methods=_METHODS),
        ]

    def _needs(self, call: Call, *scopes: str) -> Callable[[Request], Awaitable[Response]]:
        """Return the endpoint of ``call``, for tokens with one of ``scopes``."""

        async def guarded(request: Request) -> Response:
            state, authorization = self._state, request.headers.get("authorization")
            keys = (request.headers.get("x-api-key"), request.query_params.get("key"), (authorization or "").partition(" ")[2])
            grant = authorize_key(keys, state.options) or authorize(
                authorization, scopes, state.tokens, state.options, state.clock()
            )
            return await call(request, grant)

        return guarded

    async def products(self, _request: Request, _grant: Grant) -> Response:
        items = [product.to_json() for product in CATALOGUE.values() if not product.restricted]
        return _data({"total_items": len(items), "items": items})

    async def product(self, request: Request, _grant: Grant) -> Response:
        return _data({"product": find_product(request.path_params["product_id"]).to_json()})

    async def availability(self, request: Request, _grant: Grant) -> Response:
        product = find_product(request.path_params["product_id"])
        date = read_date(request.query_params.get("date"))
        return _data({"items": self._state.bookings.availability(product, date, self._state.clock())})

    async def reserve(self, request: Request, grant: Grant) -> Response:
        made = self._state.bookings.reserve(grant.client_id, await _json_object(request), self._state.clock())
        return _data({"reservation": made.to_json()}, 201)

    async def reservation(self, request: Request, grant: Grant) -> Response:
        found = self._state.bookings.reservation(grant.client_id, request.path_params["reference"])
        return _data({"reservation": found.to_json()})

    async def cancel(self, request: Request, grant: Grant) -> Response:
        self._state.bookings.cancel(grant.client_id, request.path_params["reference"])
        return Response(status_code=204)

    async def order(self, request: Request, grant: Grant) -> Response:
        reference = (await _json_object(request)).get("reservation_reference")
        made = self._state.bookings.order(grant.client_id, reference, self._state.clock())
        return _data({"order": made.order_to_json()}, 201)

    async def find_order(self, request: Request, grant: Grant) -> Response:
        found = self._state.bookings.find_order(grant.client_id, request.path_params["reference"])
        return _data({"order": found.order_to_json()})


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
        raise bad_request("to has to be what a header can hold.")
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
        raise bad_request("The body is no JSON.") from None
    if not isinstance(document, dict):
        raise bad_request("The body is no JSON object.")
    return document


class SandboxApp(Starlette):
    """ASGI application of the sandbox, for asyncio and trio.

    Args:
        options: its initial behaviour.
        clock: the clock of tokens, reservations and limits.

    Attributes:
        admin: its admin interface.
        options: its initial behaviour.
        base_path: the path of the API's root.
    """

    def __init__(self, options: SandboxOptions | None = None, clock: Clock | None = None) -> None:
        self.options = options or SandboxOptions()
        self.base_path = f"/{self.options.version}/distributor"
        self.sandbox_state = State(self.options, clock or Clock())
        self.operations = Operations(self.sandbox_state)
        self.admin = Admin(functools.partial(perform, self.operations))
        super().__init__(
            routes=_routes(self.operations, self.sandbox_state, self.base_path),
            middleware=[Middleware(Gate, state=self.sandbox_state, base=self.base_path)],
            exception_handlers={HTTPException: self._answer_error, ApiError: self._answer_error},
        )

    def _answer_error(self, request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            if error.status_code == 405 and request.url.path.endswith(TOKEN_ROUTE):
                return error_response(OAuthError("invalid_request", "A token request is a POST.", 405))
            code = "NOT_FOUND" if error.status_code == 404 else "METHOD_NOT_ALLOWED"
            error = ApiError(error.status_code, code, "There is no such call.")
        return cast("ApiError", error).response(challenges=self.sandbox_state.options.challenges)


def _routes(operations: Operations, state: State, base: str) -> list[Route | Mount]:
    token = Route(TOKEN_ROUTE, SandboxTokenEndpoint(state).answer, methods=["POST"])
    return [
        *MetadataEndpoint(state, base).routes(),
        Mount(base, routes=[token, *DistributorApi(state).routes()]),
        Route("/echo", open_echo, methods=_METHODS),
        Route("/redirect", redirect, methods=_METHODS),
        Route(f"{ADMIN}{{operation}}", AdminEndpoint(operations, state.admin_key).answer, methods=["POST"]),
    ]
