"""The application: ``uvicorn shop.main:app``."""

from __future__ import annotations

import datetime
from typing import Any

import httpx
from fastapi import FastAPI

from prio_middleware.asgi import PrioMiddleware
from prio_middleware.fastapi import PrioClient, ready

from .models import Order, Problem, Product, ProductId, Purchase, Reservation, Slot, Wish
from .problems import add_exception_handlers

SOLD_OUT: dict[int | str, dict[str, Any]] = {409: {"model": Problem, "description": "Sold out, or held for too long"}}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is no such thing"}}

# The pages at /docs and /redoc would load scripts from other hosts. The schema is at /openapi.json.
app = FastAPI(title="Tickets", docs_url=None, redoc_url=None)
app.add_middleware(PrioMiddleware, warm_up=True)
app.add_route("/ready", ready)
add_exception_handlers(app)


@app.get("/products")
async def products(prio: PrioClient) -> list[Product]:
    """List the products."""
    answer = await prio.get("/products")
    return [Product.model_validate(item) for item in data(answer)["items"]]


@app.get("/products/{product_id}/availability", responses=UNKNOWN)
async def availability(product_id: ProductId, date: datetime.date, prio: PrioClient) -> list[Slot]:
    """List the free places of a day."""
    answer = await prio.get(f"/products/{product_id}/availability", params={"date": date.isoformat()})
    return [Slot.model_validate(item) for item in data(answer)["items"]]


@app.post("/reservations", status_code=201, responses=UNKNOWN | SOLD_OUT)
async def reserve(wish: Wish, prio: PrioClient) -> Reservation:
    """Hold tickets."""
    answer = await prio.post("/reservations", json=wish.model_dump(mode="json", exclude_none=True))
    return Reservation.model_validate(data(answer)["reservation"])


@app.post("/orders", status_code=201, responses=UNKNOWN | SOLD_OUT)
async def order(purchase: Purchase, prio: PrioClient) -> Order:
    """Buy the tickets that are held."""
    answer = await prio.post("/orders", json=purchase.model_dump())
    return Order.model_validate(data(answer)["order"])


def data(answer: httpx.Response) -> Any:
    """Return the data of a response, or raise `httpx.HTTPStatusError`."""
    return answer.raise_for_status().json()["data"]
