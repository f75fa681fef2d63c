"""Options that ``client()`` passes to the library's client."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import httpx
import httpx2
import pytest

from prio_middleware.transports.client_factory import ClientOptions


@pytest.mark.parametrize("client", [httpx.Client, httpx.AsyncClient, httpx2.Client, httpx2.AsyncClient])
def test_every_option_of_an_ordinary_client_can_be_given(client: type) -> None:
    ordinary = set(inspect.signature(client).parameters)

    assert "verify" in ordinary
    assert set(get_type_hints(ClientOptions)) - {"token_transport"} == ordinary
