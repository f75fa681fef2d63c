"""The way to the token endpoint is broken: a clear error, nothing sent, and the next call works once it is mended."""

from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import TokenEndpointUnavailableError
from prio_middleware.sandbox import Sandbox, SandboxOptions
from tests.e2e.place import OVER_TLS, SOME_OVER_TLS, Place, assert_works_again, token_failure

pytestmark = pytest.mark.anyio

OPTIONS = SandboxOptions()
SOON: dict[str, Any] = {"token_deadline": 0.3, "token_timeout": 0.3}


def port(sandbox: Sandbox) -> int:
    return int(sandbox.url.rpartition(":")[2])


@pytest.mark.parametrize("place", SOME_OVER_TLS, indirect=True)
@pytest.mark.parametrize("certificate", ["expired", "foreign", "wrong_host"])
async def test_a_server_whose_certificate_is_not_to_be_trusted(place: Place, certificate: Any) -> None:
    with Sandbox(OPTIONS, certificate=certificate) as sandbox:
        there = Place(place.world, sandbox)
        settings, trusted = there.settings(**SOON), sandbox.ssl_context()
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
