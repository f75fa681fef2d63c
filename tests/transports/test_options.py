"""What ``client()`` passes on to an ordinary client."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import httpx
import httpx2
import pytest

from prio_middleware.transports.options import ClientOptions

OURS = {"auth", "base_url"}
"""The client's own parameters that the settings decide."""


@pytest.mark.parametrize("client", [httpx.Client, httpx.AsyncClient, httpx2.Client, httpx2.AsyncClient])
def test_every_option_of_an_ordinary_client_can_be_given(client: type) -> None:
    assert set(get_type_hints(ClientOptions)) == set(inspect.signature(client).parameters) - OURS
