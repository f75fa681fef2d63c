"""Whatever the API answers, the caller gets it, or the HTTP library's own error; the connection is given back either way."""

from __future__ import annotations

from typing import Any

import pytest

from prio_middleware.sandbox import API_FAULTS
from tests.e2e.place import OVER_TLS, PRODUCT, SOME_OVER_TLS, SOON, Place, assert_works_again, does_not_hang

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
OPTIONS: dict[str, dict[str, Any]] = {
    "slow": {"seconds": 0.05},
    "drip": {"seconds": 0.05},
    "gzip_bomb_refusal": {"size": 4 * MIB},
    "endless_refusal": {"size": 2 * MIB},
}

DELIVERED = {
    **{f"redirect_{status}": status for status in (301, 302, 303, 307, 308)},
    "too_many_requests": 429,
    "unavailable": 503,
    "server_error": 500,
    "bad_gateway": 502,
    "slow": 200,
    "drip": 200,
    "refused_400": 400,
    "insufficient_scope": 403,
    "long_refusal": 403,
    "gzip_bomb_refusal": 403,
    "endless_refusal": 403,
}
"""Answers that a new token would not change, or that are too long to be judged: sent once."""

TRIED_AGAIN = {"bare_403": 403, "refused_401": 401, "refused_403": 403, "invalid_token": 401, "gzip_refusal": 403}
"""Refusals that may be about the token."""

BROKEN = {"drop": "RemoteProtocolError", "truncated": "RemoteProtocolError", "stall": "ReadTimeout"}
"""The library's own errors."""


def test_the_tables_know_every_fault() -> None:
    assert {*DELIVERED, *TRIED_AGAIN, *BROKEN} == API_FAULTS.keys()


async def outcome(place: Place, fault: str, times: int | None = None) -> int | str:
    """What a call ends with, status or error, while ``fault`` is on. The one connection there is works again afterwards."""
    settings = place.settings(max_connections=1, pool_timeout=5, read_timeout=0.1 if fault == "stall" else 30)
    async with place.client(settings) as client:
        assert (await client.get(PRODUCT)).status_code == 200
        place.admin.reset_counts()
        place.admin.fail_api(fault, times=times, **OPTIONS.get(fault, {}))
        result: int | str
        with does_not_hang():
            try:
                result = (await client.get(PRODUCT)).status_code
            except place.world.library.TransportError as error:
                result = type(error).__name__
        sent = place.admin.counts()
        place.admin.clear_faults()
        place.admin.release()
        assert (await client.get(PRODUCT)).status_code == 200
    assert sent.calls_without_token == 0
    assert (sent.calls, sent.token_requests) == ((2, 1) if fault in TRIED_AGAIN else (1, 0))
    return result


@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
@pytest.mark.parametrize(("fault", "status"), [*DELIVERED.items(), *TRIED_AGAIN.items()])
async def test_the_caller_gets_the_answer(place: Place, fault: str, status: int) -> None:
    assert await outcome(place, fault) == status


@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
@pytest.mark.parametrize(("fault", "error"), BROKEN.items())
async def test_the_caller_gets_the_librarys_error(place: Place, fault: str, error: str) -> None:
    assert await outcome(place, fault) == error


@pytest.mark.parametrize("place", OVER_TLS, indirect=True)
@pytest.mark.parametrize("fault", TRIED_AGAIN)
async def test_a_refusal_that_a_new_token_cures_is_not_seen(place: Place, fault: str) -> None:
    assert await outcome(place, fault, times=1) == 200


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
