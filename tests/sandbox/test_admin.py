from __future__ import annotations

from typing import Any

import pytest

from prio_middleware.sandbox import Account, Counts, SandboxApp
from prio_middleware.sandbox.sandbox_options import PRODUCTS

from .helpers import URL, Caller, new_caller

pytestmark = pytest.mark.anyio


async def test_everything_can_be_set_back(caller: Caller, app: SandboxApp) -> None:
    token = await caller.token()
    reserved = await caller.call("POST", "/reservations", token, json={"product_id": "1004", "date": "2027-05-17"})
    reference = reserved.json()["data"]["reservation"]["reservation_reference"]
    app.admin.configure(lifetime=5, missing_status=403)
    app.admin.put_account(Account("late@museum.example"))
    app.admin.set_secret(caller.account.client_id, "another")
    app.admin.fail_tokens("html", times=None)
    app.admin.fail_api("server_error", times=None)
    app.admin.reset()

    assert app.admin.counts() == Counts()
    assert (await caller.send("GET", "/products", headers={"Authorization": f"Bearer {token}"})).status_code == 400
    assert (await caller.ask()).json()["expires_in"] == 3600
    assert (await caller.ask(Account("late@museum.example"))).status_code == 401
    assert (await caller.call("GET", f"/reservations/{reference}")).status_code == 404


async def test_the_tokens_that_were_issued_can_be_read(caller: Caller, app: SandboxApp) -> None:
    issued = [await caller.token(), await caller.token()]
    app.admin.revoke()

    assert app.admin.tokens() == issued
    app.admin.reset()
    assert app.admin.tokens() == []


async def test_an_account_takes_the_place_of_another(caller: Caller, app: SandboxApp) -> None:
    changed = Account(caller.account.client_id, caller.account.client_secret, scopes=(PRODUCTS,))
    app.admin.put_account(changed)

    assert (await caller.ask()).json()["scope"] == PRODUCTS


MISTAKES: list[tuple[str, Any, str]] = [
    ("revok", {}, "'revoke'"),
    ("__init__", {}, "put_account, "),
    ("_state", {}, "put_account, "),
    ("revoke", {"client": "x"}, "'revoke'"),
    ("revoke", [], "'revoke'"),
    ("configure", {"lifetim": 5}, "'lifetime'"),
    ("configure", {"accounts": []}, "'accounts'"),
    ("configure", {"version": "v4"}, "'version'"),
    ("configure", {"body_formats": ["xml"]}, "json, form"),
    ("configure", {"limits": "off"}, "limits"),
    ("configure", {"expires_in": "soon"}, "expires_in"),
    ("set_secret", {"client_id": "nobody", "client_secret": "x"}, "'nobody'"),
    ("put_account", {"account": {"client": "x"}}, "'put_account'"),
    ("put_account", {}, "'put_account'"),
    ("fail_tokens", {"fault": "htlm"}, "'html'"),
    ("fail_api", {"fault": "json_array", "times": None, "path": "/products"}, "'json_array'"),
]


async def test_a_mistake_is_told(subtests: pytest.Subtests) -> None:
    for operation, arguments, named in MISTAKES:
        with subtests.test(operation, arguments=arguments):
            caller = new_caller()
            headers = {"Sandbox-Admin-Key": caller.app.sandbox_state.admin_key}
            response = await caller.send("POST", f"{URL}/_sandbox/{operation}", headers=headers, json=arguments)

            assert response.status_code == 400
            assert named in f"{response.json()['message']} {response.json()['remedy']}"


async def test_the_admin_interface_over_http(caller: Caller, app: SandboxApp) -> None:
    headers = {"Sandbox-Admin-Key": app.sandbox_state.admin_key}
    await caller.token()
    revoked = await caller.send("POST", f"{URL}/_sandbox/revoke", headers=headers)
    counted = await caller.send("POST", f"{URL}/_sandbox/counts", headers=headers, json={})
    account = {"client_id": "late@museum.example", "client_secret": "s3cret", "scopes": [PRODUCTS]}
    await caller.send("POST", f"{URL}/_sandbox/put_account", headers=headers, json={"account": account})
    seen = await caller.send("POST", f"{URL}/_sandbox/token_requests", headers=headers)
    garbage = await caller.send("POST", f"{URL}/_sandbox/counts", headers=headers, content=b"{")

    assert revoked.json() == {"result": 1}
    assert counted.json()["result"]["token_requests"] == 1
    assert seen.json()["result"][0]["client_id"] == caller.account.client_id
    assert (await caller.ask(Account("late@museum.example", "s3cret"))).json()["scope"] == PRODUCTS
    assert garbage.status_code == 400


async def test_the_admin_interface_asks_for_its_key(caller: Caller, app: SandboxApp) -> None:
    token = await caller.token()
    for headers in ({}, {"Sandbox-Admin-Key": "guess"}):
        assert (await caller.send("POST", f"{URL}/_sandbox/revoke", headers=headers)).status_code == 403

    assert (await caller.call("GET", "/products", token)).status_code == 200
    assert app.admin.revoke() == 1


async def test_the_admin_interface_is_neither_counted_nor_limited(caller: Caller, app: SandboxApp) -> None:
    for _ in range(70):
        await caller.send("POST", f"{URL}/_sandbox/revoke")

    assert app.admin.counts() == Counts()
    assert (await caller.send("GET", "/system/ping")).status_code == 200
