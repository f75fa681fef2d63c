"""The calls of the Distributor API: routes, what each needs, and what it answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .accounts import ALL_SCOPES, BOOKING, BOOKING_DETAILS, BOOKINGS, PRODUCTS, RESERVATIONS
from .bearer import authorize
from .booking import Reservation, find_product, read_date
from .data import PRODUCTS as CATALOGUE
from .problems import Problem, bad_request, forbidden
from .state import State
from .tokens import Grant

Answer = Response | Problem
Call = Callable[[Request, Grant], Awaitable[Answer]]

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class DistributorApi:
    """The calls, on the state of one sandbox."""

    def __init__(self, state: State) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Every call below the API's root but the token request."""
        needs = self._needs
        return [
            Route("/system/ping", _ping),
            Route("/system/status", _status),
            Route("/products", needs(self._products, PRODUCTS, BOOKING)),
            Route("/products/{product_id}", needs(self._product, PRODUCTS, BOOKING)),
            Route("/products/{product_id}/availability", needs(self._availability, PRODUCTS, BOOKING)),
            Route("/reservations", needs(self._reserve, RESERVATIONS, BOOKING), methods=["POST"]),
            Route("/reservations/{reference}", needs(self._reservation, RESERVATIONS, BOOKING)),
            Route("/reservations/{reference}", needs(self._cancel, RESERVATIONS, BOOKING), methods=["DELETE"]),
            Route("/orders", needs(self._order, BOOKINGS, BOOKING), methods=["POST"]),
            Route("/orders/{reference}", needs(self._find_order, BOOKING_DETAILS, BOOKINGS, BOOKING)),
            Route("/reports/{path:path}", needs(_report, *ALL_SCOPES), methods=_METHODS),
            Route("/redirect", redirect, methods=_METHODS),
            Route("/echo", needs(_echo, *ALL_SCOPES), methods=_METHODS),
        ]

    def _needs(self, call: Call, *scopes: str) -> Callable[[Request], Awaitable[Response]]:
        """``call``, for those whose token has one of ``scopes``."""

        async def guarded(request: Request) -> Response:
            state = self._state
            grant = authorize(request.headers.get("authorization"), scopes, state.tokens, state.options, state.clock())
            answer = grant if isinstance(grant, Problem) else await call(request, grant)
            return answer.response(challenges=state.options.challenges) if isinstance(answer, Problem) else answer

        return guarded

    async def _products(self, _request: Request, _grant: Grant) -> Answer:
        items = [product.to_json() for product in CATALOGUE.values() if not product.restricted]
        return _data({"total_items": len(items), "items": items})

    async def _product(self, request: Request, _grant: Grant) -> Answer:
        product = find_product(request.path_params["product_id"])
        return product if isinstance(product, Problem) else _data({"product": product.to_json()})

    async def _availability(self, request: Request, _grant: Grant) -> Answer:
        product = find_product(request.path_params["product_id"])
        date = read_date(request.query_params.get("date"))
        if isinstance(product, Problem):
            return product
        if isinstance(date, Problem):
            return date
        return _data({"items": self._state.bookings.availability(product, date, self._state.clock())})

    async def _reserve(self, request: Request, grant: Grant) -> Answer:
        wish = await _json_object(request)
        if isinstance(wish, Problem):
            return wish
        return _reserved(self._state.bookings.reserve(grant.client_id, wish, self._state.clock()), 201)

    async def _reservation(self, request: Request, grant: Grant) -> Answer:
        return _reserved(self._state.bookings.reservation(grant.client_id, request.path_params["reference"]))

    async def _cancel(self, request: Request, grant: Grant) -> Answer:
        found = self._state.bookings.cancel(grant.client_id, request.path_params["reference"])
        return found if isinstance(found, Problem) else Response(status_code=204)

    async def _order(self, request: Request, grant: Grant) -> Answer:
        wish = await _json_object(request)
        if isinstance(wish, Problem):
            return wish
        return _ordered(
            self._state.bookings.order(grant.client_id, wish.get("reservation_reference"), self._state.clock()), 201
        )

    async def _find_order(self, request: Request, grant: Grant) -> Answer:
        return _ordered(self._state.bookings.find_order(grant.client_id, request.path_params["reference"]))


async def open_echo(request: Request) -> Response:
    """What arrived, for anybody who asks: headers, and the body's length and digest."""
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
    """Redirect ``to`` any URL, with any ``status``; no token is needed."""
    status = request.query_params.get("status", "302")
    if not (status.isascii() and status.isdigit() and 300 <= int(status) <= 399):
        return bad_request("status has to be a number from 300 to 399.").response()
    to = request.query_params.get("to", "")
    if not to.isprintable() or to != to.strip():
        return bad_request("to has to be what a header can hold.").response()
    return Response(status_code=int(status), headers={"Location": to.encode().decode("latin-1")})


async def _echo(request: Request, _grant: Grant) -> Answer:
    return await open_echo(request)


async def _ping(_request: Request) -> Response:
    return JSONResponse({"ping": "pong"})


async def _status(_request: Request) -> Response:
    return JSONResponse({"status": "operational"})


async def _report(_request: Request, _grant: Grant) -> Answer:
    """No account may see reports, whatever its token says: a new token changes nothing."""
    return forbidden("Access is not authorized.")


def _data(data: Mapping[str, object], status: int = 200) -> Response:
    return JSONResponse({"api_version": "3.8", "data": data}, status)


def _reserved(found: Reservation | Problem, status: int = 200) -> Answer:
    return found if isinstance(found, Problem) else _data({"reservation": found.to_json()}, status)


def _ordered(found: Reservation | Problem, status: int = 200) -> Answer:
    return found if isinstance(found, Problem) else _data({"order": found.order_to_json()}, status)


async def _json_object(request: Request) -> Mapping[str, object] | Problem:
    try:
        document = json.loads(await request.body())
    except (ValueError, RecursionError):
        return bad_request("The body is no JSON.")
    return document if isinstance(document, dict) else bad_request("The body is no JSON object.")
