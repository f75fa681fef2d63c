"""What it is all for: tickets."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from ..scenario import TOKEN_REQUESTS, Observed, Scenario, exactly
from ..stage import Stage

if TYPE_CHECKING:
    from httpx2 import Client

ANSWERED = "answers 200 and 201"


def sale() -> Scenario:
    """With httpx2."""
    return Scenario(
        "A sale",
        "sync httpx2",
        "Look at the products, hold two tickets for tomorrow, buy them.",
        (exactly(1, TOKEN_REQUESTS), exactly(3, ANSWERED)),
        _play,
    )


def _play(stage: Stage) -> Observed:
    from ...httpx2 import client

    with client(settings=stage.settings()) as prio:
        receipt = _buy(prio)
    counts = stage.admin.counts()
    answered = counts.calls_by_status.get(200, 0) + counts.calls_by_status.get(201, 0)
    return Observed({TOKEN_REQUESTS: counts.token_requests, ANSWERED: answered}, notes=(receipt,))


def _buy(prio: Client) -> str:
    products: list[dict[str, Any]] = prio.get("/products").json()["data"]["items"]
    product = next(item for item in products if item["product_kind"] == "pass")
    tomorrow = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
    wish = {"product_id": product["product_id"], "date": tomorrow.isoformat(), "quantity": 2}
    held = prio.post("/reservations", json=wish).json()["data"]["reservation"]
    order = prio.post("/orders", json={"reservation_reference": held["reservation_reference"]}).json()["data"]["order"]
    return f"2 x {product['product_title']}: order {order['order_reference']} is {order['order_status']}."
