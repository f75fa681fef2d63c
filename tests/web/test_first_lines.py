"""The examples that the frameworks' modules begin with, as a reader would copy them."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

import prio_middleware.fastapi
import prio_middleware.flask
from prio_middleware.sandbox import Sandbox

FRESH_APP = 2
"""Lines that make an application: its import and the application itself."""


def example(module: ModuleType) -> list[str]:
    return "".join(part.source for part in doctest.DocTestParser().get_examples(inspect.getdoc(module) or "")).splitlines()


@pytest.mark.parametrize(
    ("module", "browser"),
    [
        pytest.param(prio_middleware.fastapi, TestClient, id="FastAPI"),
        pytest.param(prio_middleware.flask, lambda app: app.test_client(), id="Flask"),
    ],
)
def test_six_lines_make_an_authenticated_call(
    module: ModuleType, browser: Callable[[Any], Any], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    lines, names = example(module), dict[str, Any](__name__="shop")
    assert len(lines) <= FRESH_APP + 6
    exec(compile("\n".join(lines), "shop.py", "exec", dont_inherit=True), names)
    assert browser(names["app"]).get("/products").status_code == 200
    assert sandbox.admin.counts().calls_by_route == {"/products": {200: 1}}
