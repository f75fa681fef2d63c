"""The way to the token endpoint is broken: a clear error, nothing sent, and the next call works once it is mended."""

from __future__ import annotations

from typing import Any

import pytest

from prio_middleware import TokenEndpointUnavailableError
from prio_middleware.sandbox import Sandbox, SandboxOptions
from tests.long.e2e.client_kind import SOME_OVER_TLS, SOME_TRIES, SOON, ClientKind, assert_works_again, token_failure

pytestmark = pytest.mark.anyio

OPTIONS = SandboxOptions()


def port(sandbox: Sandbox) -> int:
    return int(sandbox.url.rpartition(":")[2])


@pytest.mark.parametrize("kind", ["httpx-sync over TLS", "httpx2-trio over TLS"], indirect=True)
@pytest.mark.parametrize(
    ("certificate", "problem"),
    [
        ("expired", "has expired"),
        ("foreign", "comes from an authority that is not trusted here"),
        ("wrong_host", "is for another IP address"),
    ],
)
async def test_a_certificate_that_is_not_to_be_trusted(kind: ClientKind, certificate: Any, problem: str) -> None:
    with Sandbox(OPTIONS, certificate=certificate) as sandbox:
        there = ClientKind(kind.matrix, sandbox)
        settings, trusted = there.settings(**SOME_TRIES), sandbox.ssl_context()
        async with there.client(settings, verify=trusted) as client:
            error = await token_failure(there, client)
            assert isinstance(error, TokenEndpointUnavailableError)
            assert f"the server's certificate {problem}" in error.message
            assert sandbox.admin.counts().token_requests == 0

            at = port(sandbox)
            sandbox.stop()
            with Sandbox(OPTIONS, port=at) as mended:
                trusted.load_verify_locations(mended.ca_file)
                await assert_works_again(ClientKind(kind.matrix, mended), client, settings)


@pytest.mark.parametrize("kind", SOME_OVER_TLS, indirect=True)
async def test_a_closed_port_is_a_connect_error(kind: ClientKind) -> None:
    with Sandbox(OPTIONS, tls=False) as sandbox:
        there, at = ClientKind(kind.matrix, sandbox), port(sandbox)
    settings = there.settings(loopback_http_hosts=["127.0.0.1"], **SOON)
    async with there.client(settings) as client:
        assert isinstance(await token_failure(there, client), TokenEndpointUnavailableError)
        with Sandbox(OPTIONS, tls=False, port=at):
            await assert_works_again(there, client, settings)
