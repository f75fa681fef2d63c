"""Reservations and orders: a few rules of a shop, without I/O."""

from __future__ import annotations

import datetime
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from .data import PRODUCTS, Product
from .problems import Problem, bad_request, conflict, forbidden, not_found

HOLD = 15 * 60.0
"""Seconds that a reservation holds its tickets for."""

MAX_QUANTITY = 50


@dataclass(slots=True)
class Reservation:
    """Tickets that are held for a while, or, once ordered, for good."""

    reference: str
    client_id: str
    product: Product
    date: str
    time: str
    quantity: int
    held_until: float
    order_reference: str | None = None

    def to_json(self) -> dict[str, object]:
        """The reservation as the API shows it."""
        return {
            "reservation_reference": self.reference,
            "reservation_status": "ordered" if self.order_reference else "reserved",
            "product_id": self.product.product_id,
            "date": self.date,
            "time": self.time,
            "quantity": self.quantity,
        }

    def order_to_json(self) -> dict[str, object]:
        """The order as the API shows it."""
        return {
            **self.to_json(),
            "order_reference": self.order_reference,
            "order_status": "confirmed",
            "tickets": [f"{self.order_reference}-{number}" for number in range(1, self.quantity + 1)],
        }


class Bookings:
    """Every reservation of every account; none sees another's. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget every reservation and order."""
        self._numbers = itertools.count(1)
        self._reservations: dict[str, Reservation] = {}
        self._orders: dict[str, Reservation] = {}
        self._taken: dict[tuple[str, str, str], list[Reservation]] = {}

    def availability(self, product: Product, date: str, now: float) -> list[dict[str, object]]:
        """The time slots of a day, with what is left of each."""
        with self._lock:
            left = {time: product.capacity - self._held(product, date, time, now) for time in product.times}
        return [{"date": date, "time": time, "capacity": product.capacity, "available": free} for time, free in left.items()]

    def reserve(self, client_id: str, wish: Mapping[str, object], now: float) -> Reservation | Problem:
        """Hold tickets for a quarter of an hour."""
        product = find_product(wish.get("product_id"))
        if isinstance(product, Problem):
            return product
        date, time, quantity = read_date(wish.get("date")), wish.get("time", product.times[0]), wish.get("quantity", 1)
        if isinstance(date, Problem):
            return date
        if not isinstance(time, str) or time not in product.times:
            return bad_request(f"time has to be one of {', '.join(product.times)}.")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_QUANTITY:
            return bad_request(f"quantity has to be a number from 1 to {MAX_QUANTITY}.")
        with self._lock:
            if self._held(product, date, time, now) + quantity > product.capacity:
                return conflict("SOLD_OUT", "There are not enough tickets left.")
            reservation = Reservation(f"R{next(self._numbers):08d}", client_id, product, date, time, quantity, now + HOLD)
            self._reservations[reservation.reference] = reservation
            self._taken.setdefault((product.product_id, date, time), []).append(reservation)
            return reservation

    def reservation(self, client_id: str, reference: object) -> Reservation | Problem:
        """One of the account's reservations."""
        return _own(self._reservations.get(str(reference)), client_id, "reservation")

    def cancel(self, client_id: str, reference: str) -> Reservation | Problem:
        """Give a reservation up. One that was ordered stays."""
        with self._lock:
            found = self.reservation(client_id, reference)
            if isinstance(found, Problem):
                return found
            if found.order_reference:
                return conflict("ALREADY_ORDERED", "The reservation was ordered already.")
            del self._reservations[found.reference]
            self._taken[found.product.product_id, found.date, found.time].remove(found)
            return found

    def order(self, client_id: str, reference: object, now: float) -> Reservation | Problem:
        """Buy what is reserved."""
        with self._lock:
            found = self.reservation(client_id, reference)
            if isinstance(found, Problem):
                return found
            if found.order_reference:
                return conflict("ALREADY_ORDERED", "The reservation was ordered already.")
            if now >= found.held_until:
                return conflict("RESERVATION_EXPIRED", "The reservation was held for 15 minutes and is gone.")
            found.order_reference = f"P{next(self._numbers):08d}"
            self._orders[found.order_reference] = found
            return found

    def find_order(self, client_id: str, reference: str) -> Reservation | Problem:
        """One of the account's orders."""
        return _own(self._orders.get(reference), client_id, "order")

    def _held(self, product: Product, date: str, time: str, now: float) -> int:
        taken = self._taken.get((product.product_id, date, time), [])
        return sum(held.quantity for held in taken if held.order_reference or now < held.held_until)


def find_product(product_id: object) -> Product | Problem:
    """A product that this distributor may sell."""
    product = PRODUCTS.get(str(product_id))
    if product is None:
        return not_found("There is no such product.")
    return forbidden("Access is not authorized.") if product.restricted else product


def read_date(text: object) -> str | Problem:
    """A date as in ``2027-05-17``."""
    try:
        return datetime.date.fromisoformat(str(text)).isoformat()
    except ValueError:
        return bad_request("date has to be given as YYYY-MM-DD.")


def _own(found: Reservation | None, client_id: str, kind: str) -> Reservation | Problem:
    return found if found and found.client_id == client_id else not_found(f"There is no such {kind}.")
