"""The token endpoint found through metadata, over TLS. What may be wrong with those: ``tests/e2e/faults/table.py``."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from prio_middleware import DiscoveryError, TokenError
from prio_middleware.sandbox import Account
from prio_middleware.settings import ClientSettings
from prio_middleware.tokens import discovery
from tests.e2e.place import PRODUCT, SOME_OVER_TLS, Place, does_not_hang
from tests.transports.world import Caller

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)]

OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


def discovering(place: Place, **changes: Any) -> ClientSettings:
    return place.settings(**{"discovery": place.base_url, **changes})


def looks(place: Place) -> dict[str, int]:
    """How often each place was looked at."""
    routes = place.admin.counts().calls_by_route.items()
    return {route: sum(statuses.values()) for route, statuses in routes if route.startswith("/.well-known/")}


async def failure(place: Place, client: Caller) -> TokenError:
    with does_not_hang(), pytest.raises(place.world.library.TransportError) as caught:
        await client.get(PRODUCT)
    error = caught.value
    assert isinstance(error, TokenError)
    assert error.client == "shop"
    assert all(part in str(error) for part in [error.message, error.url or "no URL", error.remedy])
    return error


async def test_two_calls_take_one_look(place: Place) -> None:
    async with place.client(discovering(place)) as client:
        for _ in range(2):
            assert (await client.get(PRODUCT)).status_code == 200

    assert looks(place) == {f"{OAUTH}/v3.8/distributor": 1}
    assert place.admin.counts().token_requests == 1


async def test_a_server_that_speaks_openid_only(place: Place) -> None:
    place.admin.fail_metadata("not_found", times=None, path=OAUTH)
    async with place.client(discovering(place)) as client:
        assert (await client.get(PRODUCT)).status_code == 200

    assert looks(place) == {f"{OAUTH}/v3.8/distributor": 1, OPENID: 1}


async def test_an_issuer_with_a_slash_too_many(place: Place) -> None:
    async with place.client(discovering(place, discovery=f"{place.base_url}/")) as client:
        error = await failure(place, client)

    assert isinstance(error, DiscoveryError)
    assert place.admin.counts().token_requests == 0


async def test_a_client_authentication_that_the_server_does_not_know_costs_no_token_request(place: Place) -> None:
    place.admin.configure(client_auth_methods=["client_secret_post"])
    async with place.client(discovering(place)) as client:
        error = await failure(place, client)

    assert "client_secret_basic, only: client_secret_post" in error.message
    assert place.admin.counts().token_requests == 0


async def test_an_assertion_for_the_discovered_issuer_is_accepted(place: Place) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    place.admin.configure(client_auth_methods=["private_key_jwt"])
    place.admin.put_account(Account("signer", public_key=public))
    async with place.client(discovering(place, client_id="signer", client_secret=None, private_key=private)) as client:
        assert (await client.get(PRODUCT)).status_code == 200

    assert [seen.method for seen in place.admin.token_requests()] == ["private_key_jwt"]


@pytest.fixture
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata are read again as soon as they are in doubt."""
    monkeypatch.setattr(discovery, "SECOND_LOOK_PAUSE", 0.0)


@pytest.mark.usefixtures("_no_pause")
async def test_a_token_endpoint_that_moved_is_found_again_without_a_lost_call(place: Place) -> None:
    settings = discovering(place)
    place.admin.fail_metadata("moved_token_endpoint", location=f"{place.base_url}/gone")
    async with place.client(settings) as client:
        assert (await client.get(PRODUCT)).status_code == 200

    assert looks(place) == {f"{OAUTH}/v3.8/distributor": 2}
    assert place.admin.counts().calls_by_route["/gone"] == {404: 1}
    assert place.provider(settings).token_url == f"{place.base_url}/oauth2/token"
