"""What the shop and its customers tell each other. The names are those of the Prio API."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

ProductId = Annotated[str, StringConstraints(pattern="^[0-9]{1,12}$")]


class Product(BaseModel):
    """A ticket that can be had."""

    product_id: ProductId
    product_title: str
    product_city: str
    product_price: Decimal
    product_currency: str
    product_times: list[str] = Field(description="Starts of its time slots; 00:00 where it is good all day.")


class Slot(BaseModel):
    """What is left of a time slot."""

    date: datetime.date
    time: str
    available: int


class Wish(BaseModel):
    """Tickets that a customer would like to have."""

    product_id: ProductId
    date: datetime.date
    time: str | None = Field(default=None, description="The first time slot of the day if left out.")
    quantity: int = Field(default=1, ge=1, le=10)


class Reservation(BaseModel):
    """Tickets that are held for a quarter of an hour."""

    reservation_reference: str
    product_id: ProductId
    date: datetime.date
    time: str
    quantity: int


class Purchase(BaseModel):
    """What a customer has decided on."""

    reservation_reference: str


class Order(BaseModel):
    """Tickets that are sold."""

    order_reference: str
    tickets: list[str]


class Problem(BaseModel):
    """Why it did not work."""

    message: str
