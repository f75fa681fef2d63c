"""One sandbox for a whole run, as new for each test, and settings to reach it."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from .. import build
from ..build import provider
from ..sandbox import Clock, Sandbox, SandboxOptions
from ..settings import Settings

_PACKAGE = __name__.partition(".")[0]


class Served(NamedTuple):
    """A sandbox that is being served, and its clock."""

    sandbox: Sandbox
    clock: Clock


@contextmanager
def serve(options: SandboxOptions) -> Generator[Served]:
    """Serve a sandbox from a thread, so that its clock can be the clients' too."""
    clock = Clock()
    with Sandbox(options, clock=clock) as sandbox:
        yield Served(sandbox, clock)


@contextmanager
def as_new(served: Served, changes: Mapping[str, Any]) -> Generator[None]:
    """The sandbox as at its start but for ``changes``, and clients that know no token and go by its clock."""
    admin = served.sandbox.admin
    admin.reset()
    admin.configure(**changes)
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((provider, "ClientCredentialsProvider"), (build, "RevocationHandler")):
            patch.setattr(module, name, functools.partial(getattr(module, name), clock=served.clock))
        build.forget()
        yield
        build.forget()
    admin.clear_faults()
    admin.release()


def settings_for(sandbox: Sandbox) -> Settings:
    """The settings of a client: those of the environment have no say."""
    return Settings.from_values(
        base_url=sandbox.base_url,
        client_id=sandbox.client_id,
        client_secret=sandbox.client_secret,
        ca_file=sandbox.ca_file,
        trust_env=False,
    )


def environment_for(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The settings of a client as environment variables, and no others of ours."""
    variables = {**sandbox.environment(), "PRIO_TRUST_ENV": "false"}
    for name in [name for name in os.environ if name.upper().startswith("PRIO_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def face(library: str) -> ModuleType:
    """What makes clients of an HTTP library: ``prio_middleware.httpx`` or ``prio_middleware.httpx2``."""
    return importlib.import_module(f"{_PACKAGE}.{library}")
