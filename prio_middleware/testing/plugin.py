"""The fixtures. pytest loads this module into every run of its environment, so it loads nothing until a fixture is used."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..sandbox import Clock, Sandbox, SandboxOptions
    from ..settings import Settings
    from .no_secrets import NoSecrets
    from .server import Served


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "prio_sandbox(**options): what SandboxOptions are to be for this test")


@pytest.fixture(scope="session")
def prio_sandbox_options() -> SandboxOptions:
    """How the sandbox behaves at the beginning of each test. Override it for accounts of your own."""
    from ..sandbox import SandboxOptions

    return SandboxOptions()


@pytest.fixture(scope="session")
def _prio_served(prio_sandbox_options: SandboxOptions) -> Iterator[Served]:
    from .server import serve

    with serve(prio_sandbox_options) as served:
        yield served


@pytest.fixture
def prio_sandbox(_prio_served: Served, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A Prio API over real HTTPS, as new. One server serves the whole run."""
    from .server import as_new

    changes: dict[str, Any] = {}
    for mark in reversed(list(request.node.iter_markers("prio_sandbox"))):
        changes |= mark.kwargs
    with as_new(_prio_served, changes):
        yield _prio_served.sandbox


@pytest.fixture
def prio_clock(prio_sandbox: Sandbox, _prio_served: Served) -> Clock:  # noqa: ARG001 - it makes clients go by the clock
    """The time, for the sandbox and for clients that are made in this test: ``prio_clock.advance(seconds)``."""
    return _prio_served.clock


@pytest.fixture
def prio_settings(prio_sandbox: Sandbox) -> Settings:
    """The settings of a client of the sandbox."""
    from .server import settings_for

    return settings_for(prio_sandbox)


@pytest.fixture
def prio_environment(prio_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The same settings, as the environment variables of this process."""
    from .server import environment_for

    # By the test's own monkeypatch: what the test changes of them is undone before they are.
    return environment_for(prio_sandbox, monkeypatch)


@pytest.fixture
def prio_library() -> str:
    """The HTTP library of the clients: ``httpx``. Override it, or parametrize a test with it, for ``httpx2``."""
    return "httpx"


@pytest.fixture
def prio_client(prio_settings: Settings, prio_library: str) -> Iterator[Any]:
    """An ordinary client for the sandbox."""
    from .server import face

    with face(prio_library).client(settings=prio_settings) as client:
        yield client


@pytest.fixture
async def prio_async_client(prio_settings: Settings, prio_library: str) -> AsyncIterator[Any]:
    """An ordinary async client for the sandbox."""
    from .server import face

    async with face(prio_library).async_client(settings=prio_settings) as client:
        yield client


@pytest.fixture
def assert_no_secrets(request: pytest.FixtureRequest) -> Iterator[NoSecrets]:
    """Fails the test if a secret or a token appeared in what was logged, traced or written; call it to look at once."""
    from .no_secrets import NoSecrets
    from .output import CAPTURES

    capture = next((name for name in CAPTURES if name in request.fixturenames), CAPTURES[0])
    sandbox: Sandbox | None = request.getfixturevalue("prio_sandbox") if "prio_sandbox" in request.fixturenames else None
    with NoSecrets(request.getfixturevalue(capture), sandbox.admin.tokens if sandbox else tuple) as no_secrets:
        if sandbox:
            no_secrets.watch(*(account.client_secret for account in sandbox.options.accounts))
        yield no_secrets
        no_secrets()
