"""The token endpoint found through metadata, over TLS. What may be wrong with those: ``tests/long/e2e/faults/table.py``."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from prio_middleware import DiscoveryError, TokenError
from prio_middleware._util.clock import using
from prio_middleware.oauth.discovery import REREAD_PAUSE
from prio_middleware.sandbox import Account
from prio_middleware.settings import ClientSettings
from tests.long.e2e.client_kind import PRODUCT, SOME_OVER_TLS, ClientKind, does_not_hang
from tests.transports.matrix import Caller

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)]

OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"


def discovering(kind: ClientKind, **changes: Any) -> ClientSettings:
    return kind.settings(**{"issuer": kind.base_url, "discovery": True, **changes})


def looks(kind: ClientKind) -> dict[str, int]:
    """Return the number of requests for each metadata path."""
    routes = kind.admin.counts().calls_by_route.items()
    return {route: sum(statuses.values()) for route, statuses in routes if route.startswith("/.well-known/")}


async def failure(kind: ClientKind, client: Caller) -> TokenError:
    with does_not_hang(), pytest.raises(kind.matrix.library.TransportError) as caught:
        await client.get(PRODUCT)
    error = caught.value
    assert isinstance(error, TokenError)
    assert error.client == "shop"
    assert all(part in str(error) for part in [error.message, error.url or "no URL", error.remedy])
    return error


async def test_two_calls_make_one_read(kind: ClientKind) -> None:
    async with kind.client(discovering(kind)) as client:
        for _ in range(2):
            assert (await client.get(PRODUCT)).status_code == 200

    assert looks(kind) == {f"{OAUTH}/v3.8/distributor": 1}
    assert kind.admin.counts().token_requests == 1


async def test_a_server_that_speaks_openid_only(kind: ClientKind) -> None:
    kind.admin.fail_metadata("not_found", times=None, path=OAUTH)
    async with kind.client(discovering(kind)) as client:
        assert (await client.get(PRODUCT)).status_code == 200

    assert looks(kind) == {f"{OAUTH}/v3.8/distributor": 1, OPENID: 1}


async def test_an_issuer_with_a_slash_too_many(kind: ClientKind) -> None:
    async with kind.client(discovering(kind, issuer=f"{kind.base_url}/")) as client:
        error = await failure(kind, client)

    assert isinstance(error, DiscoveryError)
    assert kind.admin.counts().token_requests == 0


async def test_a_client_authentication_that_the_server_does_not_know_costs_no_token_request(kind: ClientKind) -> None:
    kind.admin.configure(client_auth_methods=["client_secret_post"])
    async with kind.client(discovering(kind)) as client:
        error = await failure(kind, client)

    assert "client_secret_basic, only: client_secret_post" in error.message
    assert kind.admin.counts().token_requests == 0


async def test_an_assertion_for_the_discovered_issuer_is_accepted(kind: ClientKind) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    kind.admin.configure(client_auth_methods=["private_key_jwt"])
    kind.admin.put_account(Account("signer", public_key=public))
    async with kind.client(discovering(kind, client_id="signer", client_secret=None, private_key=private)) as client:
        assert (await client.get(PRODUCT)).status_code == 200

    assert [seen.method for seen in kind.admin.token_requests()] == ["private_key_jwt"]


async def test_a_token_endpoint_that_moved_is_found_again_without_a_lost_call(kind: ClientKind) -> None:
    settings = discovering(kind, token_deadline=10_000 * REREAD_PAUSE)
    kind.admin.fail_metadata("moved_token_endpoint", location=f"{kind.base_url}/gone")
    moments = itertools.count(step=REREAD_PAUSE)  # Between any two looks at the clock there is time enough for a second look.
    with using(moments.__next__):
        kind.provider(settings)
    async with kind.client(settings) as client:
        assert (await client.get(PRODUCT)).status_code == 200

    assert looks(kind) == {f"{OAUTH}/v3.8/distributor": 2}
    assert kind.admin.counts().calls_by_route["/gone"] == {404: 1}
    assert kind.provider(settings).token_url == f"{kind.base_url}/oauth2/token"
