"""Tools that patch the transports' classes after a client was created: instrumentation, recorders, mocks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.transports.matrix import Caller, MatrixClient, Server
from tests.transports.test_budget_guard import guarded

pytestmark = pytest.mark.anyio


def plain(matrix: MatrixClient, server: Server) -> Caller:
    return matrix.client(server)


def watched(matrix: MatrixClient, server: Server) -> Caller:
    return guarded(matrix, server)[0]


@pytest.mark.pitfall(id="patched-later")
@pytest.mark.parametrize("client_of", [plain, watched])
async def test_a_patch_made_after_the_client_sees_every_request_until_it_is_undone(
    matrix: MatrixClient, server: Server, client_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(matrix, server)
    name = "handle_request" if matrix.is_sync else "handle_async_request"
    original = getattr(matrix.library.MockTransport, name)
    seen: list[tuple[str, str | None]] = []

    def patched(transport: Any, request: Any) -> Any:
        seen.append((request.url.path, request.headers.get("authorization")))
        return original(transport, request)

    with monkeypatch.context() as patch:
        patch.setattr(matrix.library.MockTransport, name, patched)
        await client.get()
        server.revoke(1)
        await client.get()
    await client.get()

    assert [path for path, _ in seen if path == "/token"] == ["/token"] * 2
    assert [sent for path, sent in seen if path != "/token"] == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
    assert len(server.calls) == 4
