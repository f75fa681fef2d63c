"""What the API answers reaches the caller, and the reason with it. Answer by answer: ``tests/e2e/faults/table.py``."""

from __future__ import annotations

import pytest

from tests.e2e.place import OVER_TLS, PRODUCT, SOME_OVER_TLS, SOON, Place, assert_works_again, does_not_hang

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("fault", ["server_error", "stall", "html", "invalid_client"])
async def test_when_no_new_token_can_be_had_the_refusal_is_delivered_with_the_reason(place: Place, fault: str) -> None:
    settings = place.settings(max_connections=1)
    async with place.client(settings) as client:
        assert (await client.get(PRODUCT)).status_code == 200
        place.provider(settings).deadline = SOON["token_deadline"]
        place.admin.revoke()
        place.admin.fail_tokens(fault, times=None)
        response = await client.get(PRODUCT)
        reason = response.extensions["prio_middleware.reason"]

        assert response.status_code == 403
        assert response.json()["error_reference"] == reason.error_reference
        assert (reason.client, reason.url) == ("shop", f"{place.base_url}{PRODUCT}")

        place.admin.clear_faults()
        place.admin.release()
        await assert_works_again(place, client, settings)


@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
async def test_an_endless_refusal_can_be_left_half_read(place: Place) -> None:
    async with place.client(place.settings(max_connections=1, pool_timeout=5)) as client:
        place.admin.fail_api("endless_refusal", seconds=120)
        with does_not_hang():
            response = await client.send(client.client.build_request("GET", PRODUCT), stream=True)
        assert response.status_code == 403
        await client._run(response.close if place.world.is_sync else response.aclose)
        assert (await client.get(PRODUCT)).status_code == 200


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_to_another_host_takes_nothing_of_ours_along(place: Place, status: int) -> None:
    elsewhere = place.base_url.replace("127.0.0.1", "localhost").partition("/v3.8")[0]
    place.admin.fail_api(f"redirect_{status}", location=f"{elsewhere}/echo")
    async with place.client(place.settings(app={"name": "shop"}), follow_redirects=True) as client:
        response = await client.get(PRODUCT)
    ours, foreign = [seen for seen in place.admin.requests() if not seen.token_request]

    assert response.json()["url"] == f"{elsewhere}/echo"
    assert (ours.authorization or "").startswith("Bearer ")
    assert ours.app_headers == {"app-name": "shop"}
    assert foreign.authorization is None
    assert foreign.app_headers == {}
