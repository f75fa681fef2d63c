"""One sandbox in a process of its own serves all tests, each of which finds it as it was at its start."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator

import pytest

from prio_middleware.sandbox import Sandbox, SandboxApp, SandboxOptions
from tests.long.e2e.client_kind import EVERYWHERE, ClientKind
from tests.transports.matrix import MatrixClient

DESCRIPTORS = 4096
"""A thousand connections need as many."""


@pytest.fixture(scope="session")
def _served() -> Iterator[Sandbox]:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before < DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, most))
    # A thousand calls at once exceed the API's limits by construction, so they are off where a test does not say otherwise.
    with Sandbox(SandboxOptions(limits=False), process=True) as sandbox:
        yield sandbox
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@pytest.fixture
def sandbox(_served: Sandbox) -> Iterator[Sandbox]:
    _served.admin.reset()
    yield _served
    _served.admin.clear_faults()
    _served.admin.release()


@pytest.fixture(params=EVERYWHERE)
def kind(request: pytest.FixtureRequest) -> ClientKind:
    """A sandbox and a kind of client: ``httpx-trio in process``. A test that needs other places names them."""
    matrix, _, how = str(request.param).partition(" ")
    served = how == "over TLS"
    return ClientKind(
        MatrixClient(matrix), request.getfixturevalue("sandbox") if served else SandboxApp(SandboxOptions(limits=False))
    )


@pytest.fixture
def anyio_backend(kind: ClientKind) -> str:
    return kind.matrix.backend


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    """With thousands of tasks alive, half the time goes into looking through all of them again and again."""
    gc.disable()
    yield
    gc.enable()
