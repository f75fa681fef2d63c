"""``App-Reference``: a new UUID with each call, which errors and spans repeat."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from tests.transports.matrix import MatrixClient, Server, settings

pytestmark = pytest.mark.anyio


def references(server: Server) -> list[str]:
    return [headers["app-reference"] for _, _, headers, _ in server.calls]


async def test_each_call_has_its_own_and_a_retry_that_of_its_call(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server, settings=settings(app={"reference": "uuid"}))
    await client.get()
    server.revoke(1)
    await client.get()

    first, rejected, retried = references(server)
    assert {str(uuid.UUID(each)) for each in (first, rejected)} == {first, rejected}
    assert first != rejected == retried


async def test_errors_name_it(matrix: MatrixClient) -> None:
    def fails(_: Any) -> Any:
        raise matrix.library.ReadTimeout("nothing came")

    server = Server(matrix, respond=fails)
    client = matrix.client(server, settings=settings(app={"reference": "uuid"}))
    with pytest.raises(matrix.library.ReadTimeout) as caught:
        await client.post()

    assert caught.value.__notes__ == [f"App-Reference: {references(server)[0]}"]


async def test_the_reason_of_a_rejection_names_the_app_reference(matrix: MatrixClient) -> None:
    grants = iter([200, 400])
    granted = {"access_token": "token-1", "token_type": "Bearer"}
    server = Server(matrix, token=lambda _: matrix.library.Response(next(grants), json=granted))
    client = matrix.client(server, settings=settings(app={"reference": "till-7"}))
    await client.get()
    server.revoke(1)
    response = await client.get()

    assert response.extensions["prio_middleware.reason"].__notes__ == ["App-Reference: till-7"]


async def test_the_current_span_has_it(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server, settings=settings(app={"reference": "uuid"}))
    with TracerProvider().get_tracer("test").start_as_current_span("call") as span:
        await client.get()

    attributes: Any = getattr(span, "attributes", {})
    assert attributes["prio_middleware.app_reference"] == references(server)[0]


async def test_a_call_elsewhere_has_none(matrix: MatrixClient, server: Server) -> None:
    client = matrix.client(server, settings=settings(app={"reference": "uuid"}))
    await client.get("https://elsewhere.example/")

    assert "app-reference" not in server.calls[0][2]
