from __future__ import annotations

import hashlib
from typing import Any

import anyio
import httpx
import pytest

from prio_middleware.sandbox import Clock, SandboxApp, SandboxOptions

from .helpers import URL, Caller, bearer, code, new_caller

pytestmark = pytest.mark.anyio

SLOT = {"product_id": "1003", "date": "2027-05-17", "time": "19:00"}


async def test_the_system_calls_need_no_token(caller: Caller, app: SandboxApp) -> None:
    assert (await caller.send("GET", "/system/ping")).json() == {"ping": "pong"}
    assert (await caller.send("GET", "/system/status")).json() == {"status": "operational"}
    assert app.admin.counts().calls_without_token == 0


WITH_TOKEN = [
    ("GET", "/products"),
    ("GET", "/products/1001"),
    ("GET", "/products/1001/availability?date=2027-05-17"),
    ("POST", "/reservations"),
    ("GET", "/reservations/R1"),
    ("DELETE", "/reservations/R1"),
    ("POST", "/orders"),
    ("GET", "/orders/P1"),
    ("GET", "/reports/sales"),
    ("POST", "/echo"),
]


async def test_every_other_call_needs_a_token(caller: Caller, subtests: pytest.Subtests) -> None:
    for method, path in WITH_TOKEN:
        with subtests.test(method=method, path=path):
            assert code(await caller.send(method, path)) == "MISSING_TOKEN"


CALLS: list[tuple[str, str, int, str | None]] = [
    ("GET", "/products", 200, None),
    ("HEAD", "/products", 200, None),
    ("GET", "/products/1001", 200, None),
    ("GET", "/products/4711", 404, "NOT_FOUND"),
    ("GET", "/products/9001", 403, "AUTHORIZATION_FAILURE"),
    ("GET", "/products/1001/availability?date=2027-05-17", 200, None),
    ("GET", "/products/1001/availability?date=17.5.2027", 400, "INVALID_REQUEST"),
    ("GET", "/products/1001/availability", 400, "INVALID_REQUEST"),
    ("GET", "/products/4711/availability?date=2027-05-17", 404, "NOT_FOUND"),
    ("GET", "/reservations/R1", 404, "NOT_FOUND"),
    ("DELETE", "/reservations/R1", 404, "NOT_FOUND"),
    ("GET", "/orders/P1", 404, "NOT_FOUND"),
    ("GET", "/reports/sales", 403, "AUTHORIZATION_FAILURE"),
    ("POST", "/reports/2027/05", 403, "AUTHORIZATION_FAILURE"),
    ("GET", "/nowhere", 404, "NOT_FOUND"),
    ("PUT", "/products", 405, "METHOD_NOT_ALLOWED"),
]


async def test_calls(caller: Caller, subtests: pytest.Subtests) -> None:
    for method, path, status, error in CALLS:
        with subtests.test(method=method, path=path):
            response = await caller.call(method, path)

            assert response.status_code == status
            if error:
                assert code(response) == error


async def test_products_do_not_show_what_this_distributor_may_not_sell(caller: Caller) -> None:
    data = (await caller.call("GET", "/products")).json()["data"]
    ids = [item["product_id"] for item in data["items"]]

    assert data["total_items"] == len(ids) == len(set(ids))
    assert "1001" in ids
    assert "9001" not in ids
    assert {item["product_city"] for item in data["items"]} == {"Amsterdam", "Berlin"}


async def test_from_a_reservation_to_an_order(caller: Caller) -> None:
    token = await caller.token()
    reserved = await caller.call("POST", "/reservations", token, json={**SLOT, "quantity": 2})
    reference = reserved.json()["data"]["reservation"]["reservation_reference"]
    full = await caller.call("POST", "/reservations", token, json=SLOT)
    day = await caller.call("GET", "/products/1003/availability?date=2027-05-17", token)
    ordered = await caller.call("POST", "/orders", token, json={"reservation_reference": reference})
    order = ordered.json()["data"]["order"]
    again = await caller.call("POST", "/orders", token, json={"reservation_reference": reference})
    cancelled = await caller.call("DELETE", f"/reservations/{reference}", token)
    found = await caller.call("GET", f"/orders/{order['order_reference']}", token)

    assert reserved.status_code == 201
    assert (full.status_code, code(full)) == (409, "SOLD_OUT")
    assert day.json()["data"]["items"] == [{"date": "2027-05-17", "time": "19:00", "capacity": 2, "available": 0}]
    assert ordered.status_code == 201
    assert len(order["tickets"]) == order["quantity"] == 2
    assert (again.status_code, code(again)) == (409, "ALREADY_ORDERED")
    assert (cancelled.status_code, code(cancelled)) == (409, "ALREADY_ORDERED")
    assert found.json()["data"]["order"] == order
    shown = (await caller.call("GET", f"/reservations/{reference}", token)).json()["data"]["reservation"]
    assert shown["reservation_status"] == "ordered"


async def test_a_cancelled_reservation_gives_its_tickets_back(caller: Caller) -> None:
    reserved = await caller.call("POST", "/reservations", json={**SLOT, "quantity": 2})
    reference = reserved.json()["data"]["reservation"]["reservation_reference"]

    assert (await caller.call("DELETE", f"/reservations/{reference}")).status_code == 204
    assert (await caller.call("GET", f"/reservations/{reference}")).status_code == 404
    assert (await caller.call("POST", "/reservations", json=SLOT)).status_code == 201


async def test_a_reservation_is_held_for_a_quarter_of_an_hour(caller: Caller, clock: Clock) -> None:
    token = await caller.token()
    reserved = await caller.call("POST", "/reservations", token, json={**SLOT, "quantity": 2})
    reference = reserved.json()["data"]["reservation"]["reservation_reference"]
    clock.advance(15 * 60)
    late = await caller.call("POST", "/orders", token, json={"reservation_reference": reference})

    assert (late.status_code, code(late)) == (409, "RESERVATION_EXPIRED")
    assert (await caller.call("POST", "/reservations", token, json=SLOT)).status_code == 201


async def test_no_account_sees_what_another_one_booked(caller: Caller, app: SandboxApp) -> None:
    ours, theirs = [await caller.token(account) for account in app.options.accounts[:2]]
    reserved = await caller.call("POST", "/reservations", ours, json=SLOT)
    reservation = reserved.json()["data"]["reservation"]["reservation_reference"]
    ordered = await caller.call("POST", "/orders", ours, json={"reservation_reference": reservation})
    order = ordered.json()["data"]["order"]["order_reference"]

    assert (await caller.call("GET", f"/reservations/{reservation}", theirs)).status_code == 404
    assert (await caller.call("GET", f"/orders/{order}", theirs)).status_code == 404


RESERVATIONS: list[tuple[dict[str, Any], int]] = [
    ({"json": {"product_id": "1004", "date": "2027-05-17"}}, 201),
    ({"json": {"product_id": "1004", "date": "2027-05-17", "quantity": 50}}, 201),
    ({"json": {**SLOT, "product_id": "4711"}}, 404),
    ({"json": {**SLOT, "product_id": "9001"}}, 403),
    ({"json": {"date": "2027-05-17"}}, 404),
    ({"json": {**SLOT, "date": "tomorrow"}}, 400),
    ({"json": {**SLOT, "time": "03:00"}}, 400),
    ({"json": {**SLOT, "time": 19}}, 400),
    ({"json": {**SLOT, "quantity": 0}}, 400),
    ({"json": {**SLOT, "quantity": 51}}, 400),
    ({"json": {**SLOT, "quantity": "2"}}, 400),
    ({"json": {**SLOT, "quantity": True}}, 400),
    ({"json": []}, 400),
    ({"content": b"{"}, 400),
    ({"content": b"[" * 100_000}, 400),
]


async def test_reservations(subtests: pytest.Subtests) -> None:
    for body, status in RESERVATIONS:
        with subtests.test(body=str(body)[:80]):
            assert (await new_caller().call("POST", "/reservations", **body)).status_code == status


async def test_orders_that_are_refused(caller: Caller) -> None:
    assert (await caller.call("POST", "/orders", json={})).status_code == 404
    assert (await caller.call("POST", "/orders", content=b"")).status_code == 400


@pytest.mark.parametrize("url", ["/echo", f"{URL}/echo"])
async def test_the_echo_tells_what_arrived(caller: Caller, url: str) -> None:
    headers = {**bearer(await caller.token()), "App-Name": "shop"}
    seen = (await caller.send("POST", url, headers=headers, content=b"tickets")).json()

    assert seen["method"] == "POST"
    assert seen["url"].endswith("/echo")
    assert seen["headers"]["app-name"] == "shop"
    assert seen["body_length"] == 7
    assert seen["body_sha256"] == hashlib.sha256(b"tickets").hexdigest()


async def test_redirects(caller: Caller, subtests: pytest.Subtests) -> None:
    for url, status in [("/redirect", 302), *((f"{URL}/redirect", status) for status in (301, 302, 303, 307, 308))]:
        with subtests.test(url=url, status=status):
            response = await caller.send("GET", url, params={"to": "https://elsewhere.example/é", "status": status})

            assert response.status_code == status
            assert response.headers["location"].startswith("https://elsewhere.example/")


async def test_redirects_that_are_refused(caller: Caller, subtests: pytest.Subtests) -> None:
    wrong_statuses = [("/", status) for status in ("200", "x", "-302", "²")]
    for to, status in [
        *wrong_statuses,
        ("https://elsewhere.example/\r\nX-Injected: yes", "302"),
        (" /", "302"),
        ("/\x00", "302"),
    ]:
        with subtests.test(to=to, status=status):
            assert (await caller.send("GET", "/redirect", params={"to": to, "status": status})).status_code == 400


async def test_plain_http_is_refused(app: SandboxApp) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox.test") as client:
        refused = await client.get(f"{app.base_path}/system/ping")
        app.admin.configure(https_only=False)
        accepted = await client.get(f"{app.base_path}/system/ping")

    assert (refused.status_code, code(refused)) == (403, "HTTPS_REQUIRED")
    assert accepted.status_code == 200


@pytest.mark.parametrize("options", [SandboxOptions(version="v4.0")])
async def test_the_version_is_part_of_the_path(caller: Caller) -> None:
    assert caller.app.base_path == "/v4.0/distributor"
    assert (await caller.send("GET", "/system/ping")).status_code == 200


@pytest.mark.parametrize("options", [SandboxOptions(api_delay=3600)])
async def test_a_token_that_is_revoked_while_a_call_is_delayed(caller: Caller, app: SandboxApp) -> None:
    token = await caller.token()
    statuses: list[int] = []

    async def call() -> None:
        statuses.append((await caller.call("GET", "/products", token)).status_code)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        app.admin.revoke()
        app.admin.release()

    assert statuses == [403]
