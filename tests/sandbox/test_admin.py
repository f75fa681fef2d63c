from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.sandbox import Account, Counts, SandboxApp
from prio_middleware.sandbox.accounts import PRODUCTS
from prio_middleware.sandbox.operations import perform

from .kit import URL, Caller

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


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        ("revok", {}, "Did you mean 'revoke'?"),
        ("__init__", {}, "There are: "),
        ("_state", {}, "There are: "),
        ("revoke", {"client": "x"}, "with these arguments"),
        ("revoke", [], "with these arguments"),
        ("configure", {"lifetim": 5}, "Did you mean 'lifetime'?"),
        ("configure", {"accounts": []}, "no option 'accounts'"),
        ("configure", {"version": "v4"}, "no option 'version'"),
        ("configure", {"body_formats": ["xml"]}, "Choose among json, form."),
        ("configure", {"limits": "off"}, "is not of type bool"),
        ("configure", {"expires_in": "soon"}, "is not JSON text"),
        ("set_secret", {"client_id": "nobody", "client_secret": "x"}, "no account 'nobody'"),
        ("fail_tokens", {"fault": "htlm", "times": 1, "options": {}}, "Did you mean 'html'?"),
        ("fail_api", {"fault": "json_array", "times": 1, "path": "", "options": {}}, "no fault 'json_array'"),
    ],
)
async def test_a_mistake_is_told_in_python_and_over_http(
    caller: Caller, app: SandboxApp, operation: str, arguments: Any, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        perform(app.operations, operation, arguments)
    headers = {"Sandbox-Admin-Key": app.sandbox_state.admin_key}
    response = await caller.send("POST", f"{URL}/_sandbox/{operation}", headers=headers, json=arguments)

    assert message in str(caught.value)
    assert response.status_code == 400
    assert response.json() == {"message": caught.value.message, "remedy": caught.value.remedy}


async def test_the_admin_interface_over_http(caller: Caller, app: SandboxApp) -> None:
    headers = {"Sandbox-Admin-Key": app.sandbox_state.admin_key}
    await caller.token()
    revoked = await caller.send("POST", f"{URL}/_sandbox/revoke", headers=headers)
    counted = await caller.send("POST", f"{URL}/_sandbox/counts", headers=headers, json={})
    garbage = await caller.send("POST", f"{URL}/_sandbox/counts", headers=headers, content=b"{")

    assert revoked.json() == {"result": 1}
    assert Counts.from_json(counted.json()["result"]) == app.admin.counts()
    assert garbage.status_code == 400


@pytest.mark.parametrize("headers", [{}, {"Sandbox-Admin-Key": "guess"}])
async def test_the_admin_interface_asks_for_its_key(caller: Caller, headers: dict[str, str]) -> None:
    assert (await caller.send("POST", f"{URL}/_sandbox/revoke", headers=headers)).status_code == 403


async def test_the_admin_interface_is_neither_counted_nor_limited(caller: Caller, app: SandboxApp) -> None:
    for _ in range(70):
        await caller.send("POST", f"{URL}/_sandbox/revoke")

    assert app.admin.counts() == Counts()
    assert (await caller.send("GET", "/system/ping")).status_code == 200
