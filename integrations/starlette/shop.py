"""A shop for tickets as a Starlette application: JSON in, JSON out.

- ``GET /products``: list the products;
- ``POST /reservations``: hold tickets for 15 minutes;
- ``POST /orders``: buy the tickets that are held;
- ``GET /ready``: readiness of this process.
"""

from __future__ import annotations

import datetime
import logging

import httpx
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from prio_middleware.asgi import PrioMiddleware, ReadyApp

logger = logging.getLogger("shop")


class Wish(BaseModel):
    """Tickets that a customer wants to hold."""

    product_id: str
    date: datetime.date
    time: str | None = None
    quantity: int = Field(default=1, ge=1, le=10)


class Purchase(BaseModel):
    """Reservation that a customer buys."""

    reservation_reference: str


async def products(request: Request) -> Response:
    """List the products."""
    prio: httpx.AsyncClient = request.state.prio
    answer = await prio.get("/products")
    return JSONResponse(answer.raise_for_status().json()["data"]["items"])


async def reserve(request: Request) -> Response:
    """Hold tickets."""
    prio: httpx.AsyncClient = request.state.prio
    wish = Wish.model_validate_json(await request.body())
    answer = await prio.post("/reservations", json=wish.model_dump(mode="json", exclude_none=True))
    return JSONResponse(answer.raise_for_status().json()["data"]["reservation"], 201)


async def order(request: Request) -> Response:
    """Buy the tickets that are held."""
    prio: httpx.AsyncClient = request.state.prio
    purchase = Purchase.model_validate_json(await request.body())
    answer = await prio.post("/orders", json=purchase.model_dump())
    return JSONResponse(answer.raise_for_status().json()["data"]["order"], 201)


async def apologize(_request: Request, error: Exception) -> Response:
    """Return an error to the customer."""
    match error:
        case ValidationError():  # Checked here, because Prio counts every 4xx and blocks a client that has too many.
            return problem(400, "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()))
        case httpx.HTTPStatusError(response=httpx.Response(status_code=400 | 404 | 409) as answer):
            return problem(answer.status_code, answer.json()["error_message"])
        case _:
            logger.error("%s", error)
            return problem(502, "The ticket office does not answer as it should.")


def problem(status: int, message: str) -> Response:
    """Return a response with an error message."""
    return JSONResponse({"message": message}, status)


# Not httpx.TransportError: a TokenError is one too, and PrioMiddleware returns 503 with Retry-After for it.
EXPECTED = (ValidationError, httpx.HTTPStatusError, httpx.TimeoutException, httpx.NetworkError, httpx.ProtocolError)

app = Starlette(
    routes=[
        Route("/products", products),
        Route("/reservations", reserve, methods=["POST"]),
        Route("/orders", order, methods=["POST"]),
        Route("/ready", ReadyApp()),
    ],
    middleware=[Middleware(PrioMiddleware, warm_up=True)],
    exception_handlers=dict.fromkeys(EXPECTED, apologize),
)
