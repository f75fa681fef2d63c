"""What the sandbox sells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """A ticket.

    Attributes:
        product_id: its identifier.
        title: its name.
        city: where it is.
        kind: what it is a ticket to.
        price: of one, in euros.
        times: the starts of its time slots; a single ``00:00`` for a ticket that is good all day.
        capacity: tickets in one time slot.
        restricted: sold by other distributors only: every call about it is refused for missing privileges.
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
        """The product as the API shows it."""
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
