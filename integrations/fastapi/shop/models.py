"""Requests and responses of the shop, with the names of the Prio API."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

ProductId = Annotated[str, StringConstraints(pattern="^[0-9]{1,12}$")]


class Product(BaseModel):
    """A kind of ticket."""

    product_id: ProductId
    product_title: str
    product_city: str
    product_price: Decimal
    product_currency: str
    product_times: list[str] = Field(description="Starts of its time slots; 00:00 if it is valid all day.")


class Slot(BaseModel):
    """Free places of a time slot."""

    date: datetime.date
    time: str
    available: int


class Wish(BaseModel):
    """Tickets that a customer wants to hold."""

    product_id: ProductId
    date: datetime.date
    time: str | None = Field(default=None, description="By default, the first time slot of the day.")
    quantity: int = Field(default=1, ge=1, le=10)


class Reservation(BaseModel):
    """Tickets that are held for 15 minutes."""

    reservation_reference: str
    product_id: ProductId
    date: datetime.date
    time: str
    quantity: int


class Purchase(BaseModel):
    """Reservation that a customer buys."""

    reservation_reference: str


class Order(BaseModel):
    """Sold tickets."""

    order_reference: str
    tickets: list[str]


class Problem(BaseModel):
    """Error for the customer."""

    message: str
