"""What every test may ask for."""

from __future__ import annotations

import pytest

from prio_middleware.tokens.expiry import share_of_this_process


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every async test runs on both."""
    return str(request.param)


@pytest.fixture(autouse=True)
def _the_whole_leeway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of it this process takes is drawn by lot elsewhere."""
    monkeypatch.setattr(share_of_this_process, "_draw", lambda: 1.0)
    monkeypatch.setattr(share_of_this_process, "_pid", 0)
