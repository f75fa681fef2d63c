"""Customers: each does the same in its own way."""

from __future__ import annotations

import re
from typing import Any, Protocol

import httpx

CRUISE = "1003"
"""It has room for two on each evening."""

TWO_FOR_AN_EVENING = {"date": "2031-05-17", "time": "19:00", "quantity": 2}


class Customer(Protocol):
    def look(self) -> httpx.Response:
        """List the products."""
        ...

    def hold(self, product: str = CRUISE, **wish: Any) -> httpx.Response:
        """Ask for two seats on an evening cruise, unless wished otherwise."""
        ...

    def buy(self) -> list[str]:
        """Pay for what is held. Returns the tickets."""
        ...


class ApiCustomer:
    """Speaks JSON."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._reservation = ""

    def look(self) -> httpx.Response:
        return self._http.get("/products")

    def hold(self, product: str = CRUISE, **wish: Any) -> httpx.Response:
        answer = self._http.post("/reservations", json={"product_id": product, **TWO_FOR_AN_EVENING, **wish})
        if answer.is_success:
            self._reservation = answer.json()["reservation_reference"]
        return answer

    def buy(self) -> list[str]:
        answer = self._http.post("/orders", json={"reservation_reference": self._reservation})
        tickets: list[str] = answer.raise_for_status().json()["tickets"]
        return tickets


class Browser:
    """Reads pages and fills in forms."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def look(self) -> httpx.Response:
        return self._http.get("/")

    def hold(self, product: str = CRUISE, **wish: Any) -> httpx.Response:
        page = self._http.get(f"/products/{product}")
        return page if page.is_error else self._submit(page, **TWO_FOR_AN_EVENING | wish)

    def buy(self) -> list[str]:
        page = self._http.get("/checkout")
        return re.findall("<code>(.+?)</code>", self._submit(page.raise_for_status()).raise_for_status().text)

    def _submit(self, page: httpx.Response, **fields: Any) -> httpx.Response:
        hidden = dict(re.findall('<input type="hidden" name="(.+?)" value="(.+?)">', page.text))
        return self._http.post(page.url, data=hidden | fields)
