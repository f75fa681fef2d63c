"""Fixtures of the transports' tests: a client of each kind."""

from __future__ import annotations

import pytest

from tests.transports.matrix import MatrixClient, Server


@pytest.fixture
def matrix(client_kind: str) -> MatrixClient:
    return MatrixClient(client_kind)


@pytest.fixture
def anyio_backend(matrix: MatrixClient) -> str:
    return matrix.backend


@pytest.fixture
def server(matrix: MatrixClient) -> Server:
    return Server(matrix)
