"""Products, reservations and bookings of the sandbox."""

from __future__ import annotations

import datetime
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from .api_errors import bad_request, conflict, forbidden, not_found


@dataclass(frozen=True, slots=True)
class Product:
    """Ticket for sale.

    Attributes:
        price: the price of one, in euros.
        times: starts of its time slots; a single ``00:00`` for a ticket that is valid all day.
        capacity: the number of tickets in one time slot.
        restricted: True if only other distributors sell it: calls about it are forbidden.
    """

    product_id: str
    title: str
    city: str
    kind: str
    price: str
    times: tuple[str, ...] = ("00:00",)
    capacity: int = 1_000_000
    restricted: bool = False

    def to_json(self) -> dict[str, object]:
        """Return the product as the API shows it."""
        return {
            "product_id": self.product_id,
            "product_title": self.title,
            "product_city": self.city,
            "product_kind": self.kind,
            "product_price": self.price,
            "product_currency": "EUR",
            "product_times": list(self.times),
        }


_HOURLY = ("10:00", "11:00", "12:00", "13:00", "14:00", "15:00", "16:00")

PRODUCTS: dict[str, Product] = {
    product.product_id: product
    for product in (
        Product("1001", "Museum of the Golden Age", "Amsterdam", "museum", "22.50", _HOURLY, 120),
        Product("1002", "Canal cruise, 75 minutes", "Amsterdam", "boat", "18.00", (*_HOURLY, "17:00", "18:00"), 60),
        Product("1003", "Evening cruise with dinner", "Amsterdam", "boat", "79.00", ("19:00",), 2),
        Product("1004", "City card, 24 hours", "Amsterdam", "pass", "65.00"),
        Product("2001", "Television tower, fast lane", "Berlin", "tower", "28.50", _HOURLY, 200),
        Product("2002", "Museum island, day ticket", "Berlin", "museum", "24.00"),
        Product("2003", "Spree cruise, one hour", "Berlin", "boat", "19.50", _HOURLY, 80),
        Product("2004", "Hop-on hop-off bus", "Berlin", "bus", "31.00"),
        Product("9001", "Private viewing", "Amsterdam", "museum", "250.00", ("21:00",), 10, restricted=True),
    )
}

HOLD = 15 * 60.0  # Duration of a reservation, in seconds.

MAX_QUANTITY = 50


@dataclass(slots=True)
class Reservation:
    """Reserved tickets: until ``held_until``, or for good once ordered."""

    reference: str
    client_id: str
    product: Product
    date: str
    time: str
    quantity: int
    held_until: float
    order_reference: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the reservation as the API shows it."""
        return {
            "reservation_reference": self.reference,
            "reservation_status": "ordered" if self.order_reference else "reserved",
            "product_id": self.product.product_id,
            "date": self.date,
            "time": self.time,
            "quantity": self.quantity,
        }

    def order_to_json(self) -> dict[str, object]:
        """Return the order as the API shows it."""
        return {
            **self.to_json(),
            "order_reference": self.order_reference,
            "order_status": "confirmed",
            "tickets": [f"{self.order_reference}-{number}" for number in range(1, self.quantity + 1)],
        }


class Bookings:
    """Reservations and orders of every account. An account sees only its own. Thread-safe.

    The methods raise ApiError for a request that the API rejects.
    """

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
        """Return the time slots of a day, with the number of tickets left."""
        with self._lock:
            left = {time: product.capacity - self._held(product, date, time, now) for time in product.times}
        return [{"date": date, "time": time, "capacity": product.capacity, "available": free} for time, free in left.items()]

    def reserve(self, client_id: str, wanted: Mapping[str, object], now: float) -> Reservation:
        """Reserve tickets for 15 minutes."""
        product, date = find_product(wanted.get("product_id")), read_date(wanted.get("date"))
        time, quantity = wanted.get("time", product.times[0]), wanted.get("quantity", 1)
        if not isinstance(time, str) or time not in product.times:
            raise bad_request(f"time has to be one of {', '.join(product.times)}.")
        if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_QUANTITY:
            raise bad_request(f"quantity has to be a number from 1 to {MAX_QUANTITY}.")
        with self._lock:
            if self._held(product, date, time, now) + quantity > product.capacity:
                raise conflict("SOLD_OUT", "There are not enough tickets left.")
            reservation = Reservation(f"R{next(self._numbers):08d}", client_id, product, date, time, quantity, now + HOLD)
            self._reservations[reservation.reference] = reservation
            self._taken.setdefault((product.product_id, date, time), []).append(reservation)
            return reservation

    def reservation(self, client_id: str, reference: object) -> Reservation:
        """Return a reservation of the account."""
        return _own(self._reservations.get(str(reference)), client_id, "reservation")

    def cancel(self, client_id: str, reference: str) -> None:
        """Cancel a reservation that was not ordered."""
        with self._lock:
            found = self._not_ordered(client_id, reference)
            del self._reservations[found.reference]
            self._taken[found.product.product_id, found.date, found.time].remove(found)

    def order(self, client_id: str, reference: object, now: float) -> Reservation:
        """Order the tickets of a reservation."""
        with self._lock:
            found = self._not_ordered(client_id, reference)
            if now >= found.held_until:
                raise conflict("RESERVATION_EXPIRED", "The reservation was held for 15 minutes and is gone.")
            found.order_reference = f"P{next(self._numbers):08d}"
            self._orders[found.order_reference] = found
            return found

    def find_order(self, client_id: str, reference: str) -> Reservation:
        """Return an order of the account."""
        return _own(self._orders.get(reference), client_id, "order")

    def _not_ordered(self, client_id: str, reference: object) -> Reservation:
        found = self.reservation(client_id, reference)
        if found.order_reference:
            raise conflict("ALREADY_ORDERED", "The reservation was ordered already.")
        return found

    def _held(self, product: Product, date: str, time: str, now: float) -> int:
        taken = self._taken.get((product.product_id, date, time), [])
        return sum(held.quantity for held in taken if held.order_reference or now < held.held_until)


def find_product(product_id: object) -> Product:
    """Return a product that this distributor may sell, or raise ApiError."""
    product = PRODUCTS.get(str(product_id))
    if product is None:
        raise not_found("There is no such product.")
    if product.restricted:
        raise forbidden("Access is not authorized.")
    return product


def read_date(text: object) -> str:
    """Return a date such as ``2027-05-17``, or raise ApiError."""
    try:
        return datetime.date.fromisoformat(str(text)).isoformat()
    except ValueError:
        raise bad_request("date has to be given as YYYY-MM-DD.") from None


def _own(found: Reservation | None, client_id: str, kind: str) -> Reservation:
    if found is None or found.client_id != client_id:
        raise not_found(f"There is no such {kind}.")
    return found
