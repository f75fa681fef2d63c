"""The API's response reaches the caller with the reason. Each fault is in ``tests/long/e2e/faults/table.py``."""

from __future__ import annotations

import pytest

from tests.long.e2e.client_kind import OVER_TLS, PRODUCT, SOME_OVER_TLS, SOON, ClientKind, assert_works_again, does_not_hang

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("fault", ["server_error", "stall", "html", "invalid_client"])
async def test_without_a_new_token_the_refusal_is_returned_with_the_reason(kind: ClientKind, fault: str) -> None:
    settings = kind.settings(max_connections=1)
    async with kind.client(settings) as client:
        assert (await client.get(PRODUCT)).status_code == 200
        kind.provider(settings).deadline_seconds = SOON["token_deadline"]
        kind.admin.revoke()
        kind.admin.fail_tokens(fault, times=None)
        response = await client.get(PRODUCT)
        reason = response.extensions["prio_middleware.reason"]

        assert response.status_code == 403
        assert response.json()["error_reference"] == reason.error_reference
        assert (reason.client, reason.url) == ("shop", f"{kind.base_url}{PRODUCT}")

        kind.admin.clear_faults()
        kind.admin.release()
        await assert_works_again(kind, client, settings)


@pytest.mark.parametrize("kind", OVER_TLS, indirect=True)
async def test_an_endless_refusal_can_be_left_half_read(kind: ClientKind) -> None:
    async with kind.client(kind.settings(max_connections=1, pool_timeout=5)) as client:
        kind.admin.fail_api("endless_refusal", seconds=120)
        with does_not_hang():
            response = await client.send(client.client.build_request("GET", PRODUCT), stream=True)
        assert response.status_code == 403
        await client.close_response(response)
        assert (await client.get(PRODUCT)).status_code == 200


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_to_another_host_carries_no_token_and_no_app_header(kind: ClientKind, status: int) -> None:
    elsewhere = kind.base_url.replace("127.0.0.1", "localhost").partition("/v3.8")[0]
    kind.admin.fail_api(f"redirect_{status}", location=f"{elsewhere}/echo")
    async with kind.client(kind.settings(app={"name": "shop"}), follow_redirects=True) as client:
        response = await client.get(PRODUCT)
    ours, foreign = [seen for seen in kind.admin.requests() if not seen.token_request]

    assert response.json()["url"] == f"{elsewhere}/echo"
    assert (ours.authorization or "").startswith("Bearer ")
    assert ours.app_headers == {"app-name": "shop"}
    assert foreign.authorization is None
    assert foreign.app_headers == {}
