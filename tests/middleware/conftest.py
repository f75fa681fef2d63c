"""What the components' tests ask for: every one of them holds for both HTTP libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest

from prio_middleware.pipeline import Exchange

MakeExchange = Callable[..., Exchange]


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def exchange_for(library: Any) -> MakeExchange:
    """Makes an exchange as the shells do."""

    def make(url: str, method: str = "GET", **options: Any) -> Exchange:
        request = library.Request(method, url, **options)
        return Exchange(request, library.Headers(request.headers), "berlin")

    return make
