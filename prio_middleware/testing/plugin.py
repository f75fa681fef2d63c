"""pytest fixtures. They import on first use, because pytest loads this module in every run of its environment."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..sandbox import Clock, Sandbox, SandboxOptions
    from ..settings import Settings
    from .no_secrets import NoSecrets

_PACKAGE = __name__.partition(".")[0]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "prio_sandbox(**options): SandboxOptions for this test")


@pytest.fixture(scope="session")
def prio_sandbox_options() -> SandboxOptions:
    """Return the sandbox's options at the beginning of each test. Override it for other accounts."""
    from ..sandbox import SandboxOptions

    return SandboxOptions()


class _Served:
    """The sandboxes of a run. A second one, for RFC 6749, starts when a test needs it.

    Threads serve them, so that clients can share their clock.
    """

    def __init__(self, options: SandboxOptions) -> None:
        from ..sandbox import Clock, Sandbox

        self.clock = Clock()
        self.running = [Sandbox(options, clock=self.clock).start()]

    def rfc6749(self) -> Sandbox:
        """Return a running sandbox that follows RFC 6749, with the accounts of the first one."""
        from ..sandbox import Sandbox, SandboxOptions

        first = self.running[0]
        if not first.options.follows_rfc6749 and len(self.running) == 1:
            self.running.append(Sandbox(SandboxOptions.rfc6749(first.options.accounts), clock=self.clock).start())
        return self.running[-1]

    def tokens(self) -> list[str]:
        """Return the tokens that all sandboxes issued."""
        return [token for sandbox in self.running for token in sandbox.admin.tokens()]


@pytest.fixture(scope="session")
def _prio_served(prio_sandbox_options: SandboxOptions) -> Iterator[_Served]:
    served = _Served(prio_sandbox_options)
    yield served
    for sandbox in served.running:
        sandbox.stop()


@pytest.fixture
def prio_sandbox(_prio_served: _Served, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Return a Prio API over real HTTPS, reset for this test. One server serves the whole run."""
    from .. import build
    from .._util.clock import using

    for sandbox in _prio_served.running:
        sandbox.admin.reset()
    for mark in reversed(list(request.node.iter_markers("prio_sandbox"))):
        _prio_served.running[0].admin.configure(**mark.kwargs)
    with using(_prio_served.clock):
        build.forget()
        yield _prio_served.running[0]
        build.forget()
    for sandbox in _prio_served.running:
        sandbox.admin.clear_faults()
        sandbox.admin.release()


@pytest.fixture
def prio_rfc6749_sandbox(prio_sandbox: Sandbox, _prio_served: _Served) -> Sandbox:  # noqa: ARG001 - it resets all of them
    """Return an API whose token endpoint follows RFC 6749, reset for this test: a partner's, say."""
    return _prio_served.rfc6749()


@pytest.fixture
def prio_clock(prio_sandbox: Sandbox, _prio_served: _Served) -> Clock:  # noqa: ARG001 - it sets the clients' clock
    """Return the clock of the sandbox and of clients created in this test: ``prio_clock.advance(seconds)``."""
    return _prio_served.clock


@pytest.fixture
def prio_settings(prio_sandbox: Sandbox) -> Settings:
    """Return settings of a client of the sandbox, independent of the environment."""
    return _settings_of(prio_sandbox)


def _settings_of(sandbox: Sandbox) -> Settings:
    from ..settings import Settings

    return Settings.from_values(**sandbox.client_settings(), trust_env=False)


@pytest.fixture
def prio_environment(
    prio_sandbox: Sandbox,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, str]:
    """Point every client of the application's settings at a sandbox, by environment variables, and return these.

    A client with the preset ``rfc6749`` gets the ``prio_rfc6749_sandbox``. Of the settings in the working directory and the
    environment, only the names of clients and their settings ``preset`` and ``library`` count. During the test, neither
    ``prio.toml`` nor ``.env`` nor other ``PRIO_`` variables are read.
    """

    def sandbox_for(preset: object) -> Sandbox:
        sandbox: Sandbox = request.getfixturevalue("prio_rfc6749_sandbox") if preset == "rfc6749" else prio_sandbox
        return sandbox

    # The test's own monkeypatch undoes the test's changes before these.
    return environment_for(sandbox_for, monkeypatch, tmp_path_factory.mktemp("prio_settings"))


def environment_for(
    sandbox_for: Callable[[object], Sandbox], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Mapping[str, str]:
    """Set the settings of each declared client as environment variables, and remove other ``PRIO_`` variables.

    ``sandbox_for`` returns the sandbox for a preset. The empty ``folder`` is for files that are read instead of the
    application's.
    """
    from ..settings.layers import variable
    from ..settings.loading import declared_clients, read_everything

    clients = declared_clients(read_everything({}, os.environ, Path.cwd()))
    config, dotenv = folder / "prio.toml", folder / "empty.env"
    # A variable cannot name a client with a hyphen, but the file can.
    config.write_text("".join(f"[clients.{name}]\n" for name in clients if name != "default"))
    dotenv.touch()
    variables = _Variables(PRIO_TRUST_ENV="false", PRIO_CONFIG=str(config), PRIO_ENV_FILE=str(dotenv))
    for name, table in clients.items():
        sandbox = sandbox_for(table.get("preset"))
        explicit = {"preset": "prio", "token_url": sandbox.token_url} if name != "default" else {}
        library = {"library": table["library"]} if "library" in table else {}
        path = () if name == "default" else ("clients", name)
        for key, value in {**explicit, **library, **sandbox.client_settings()}.items():
            variables[variable((*path, key))] = value
    for name in [name for name in os.environ if name.upper().startswith("PRIO_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


class _Variables(dict[str, str]):
    """Environment variables whose secrets are not printed: pytest shows the arguments of a failed test."""

    def __repr__(self) -> str:
        return repr({name: "**" if name.endswith("CLIENT_SECRET") else value for name, value in self.items()})


@pytest.fixture
def prio_library() -> str:
    """Return the HTTP library of the clients, ``httpx``. Override it, or parametrize a test with it, for ``httpx2``."""
    return "httpx"


@pytest.fixture
def prio_client(prio_settings: Settings, prio_library: str) -> Iterator[Any]:
    """Return a client of the sandbox."""
    with import_module(f"{_PACKAGE}.{prio_library}").client(settings=prio_settings) as client:
        yield client


@pytest.fixture
def prio_rfc6749_client(prio_rfc6749_sandbox: Sandbox, prio_library: str) -> Iterator[Any]:
    """Return a client of an API whose token endpoint follows RFC 6749."""
    with import_module(f"{_PACKAGE}.{prio_library}").client(settings=_settings_of(prio_rfc6749_sandbox)) as client:
        yield client


@pytest.fixture
async def prio_async_client(prio_settings: Settings, prio_library: str) -> AsyncIterator[Any]:
    """Return an async client of the sandbox."""
    async with import_module(f"{_PACKAGE}.{prio_library}").async_client(settings=prio_settings) as client:
        yield client


@pytest.fixture
def assert_no_secrets(request: pytest.FixtureRequest) -> Iterator[NoSecrets]:
    """Fail the test if a secret or a token appears in logs, spans or output. Call it to search at once."""
    from .no_secrets import CAPTURES, NoSecrets

    capture = next((name for name in CAPTURES if name in request.fixturenames), CAPTURES[0])
    sandbox: Sandbox | None = request.getfixturevalue("prio_sandbox") if "prio_sandbox" in request.fixturenames else None
    tokens: Callable[[], Iterable[str]] = request.getfixturevalue("_prio_served").tokens if sandbox else tuple
    with NoSecrets(request.getfixturevalue(capture), tokens) as no_secrets:
        if sandbox:
            no_secrets.watch(*(account.client_secret for account in sandbox.options.accounts))
        yield no_secrets
        no_secrets()
