"""Fixtures of the components' tests, for both HTTP libraries."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from prio_middleware.pipeline.exchange import Exchange

MakeExchange = Callable[..., Exchange]


@pytest.fixture
def library(library_name: str) -> Any:
    return importlib.import_module(library_name)


@pytest.fixture
def exchange_for(library: Any) -> MakeExchange:
    """Return a function that creates an exchange as the transports do."""

    def make(url: str, method: str = "GET", **options: Any) -> Exchange:
        request = library.Request(method, url, **options)
        return Exchange(request, library.Headers(request.headers), "berlin")

    return make
