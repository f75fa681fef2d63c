"""The way to the token endpoint is broken: a clear error, nothing sent, and the next call works once it is mended."""

from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import TokenEndpointUnavailableError
from prio_middleware.sandbox import Sandbox, SandboxOptions
from tests.e2e.place import SOME_OVER_TLS, SOME_TRIES, SOON, Place, assert_works_again, token_failure

pytestmark = pytest.mark.anyio

OPTIONS = SandboxOptions()


def port(sandbox: Sandbox) -> int:
    return int(sandbox.url.rpartition(":")[2])


@pytest.mark.parametrize("place", ["httpx-sync over TLS", "httpx2-trio over TLS"], indirect=True)
@pytest.mark.parametrize("certificate", ["expired", "foreign", "wrong_host"])
async def test_a_certificate_that_is_not_to_be_trusted(place: Place, certificate: Any) -> None:
    with Sandbox(OPTIONS, certificate=certificate) as sandbox:
        there = Place(place.world, sandbox)
        settings, trusted = there.settings(**SOME_TRIES), sandbox.ssl_context()
        async with there.client(settings, verify=trusted) as client:
            error = await token_failure(there, client)
            assert isinstance(error, TokenEndpointUnavailableError)
            assert "certificate verify failed" in error.message
            assert sandbox.admin.counts().token_requests == 0

            at = port(sandbox)
            sandbox.stop()
            with Sandbox(OPTIONS, port=at) as mended:
                trusted.load_verify_locations(mended.ca_file)
                await assert_works_again(Place(place.world, mended), client, settings)


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
async def test_nobody_listens(place: Place) -> None:
    with Sandbox(OPTIONS, tls=False) as sandbox:
        there, at = Place(place.world, sandbox), port(sandbox)
    settings = there.settings(loopback_http_hosts=["127.0.0.1"], **SOON)
    async with there.client(settings) as client:
        assert isinstance(await token_failure(there, client), TokenEndpointUnavailableError)
        with Sandbox(OPTIONS, tls=False, port=at):
            await assert_works_again(there, client, settings)
