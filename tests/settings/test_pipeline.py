from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ClientSettings, ConfigurationError, Settings
from prio_middleware.components import BUILT_IN
from prio_middleware.settings.pipeline import Component

OWN = {"client_id": "shop", "client_secret": "s"}


def test_the_default_is_declared_by_nothing() -> None:
    assert ClientSettings(**OWN).pipeline == ()


def test_a_file_declares_names_and_options(write: Callable[[str, str], Path]) -> None:
    declared = (
        '"https_enforcer", {use = "acme.audit:Audit", paths = ["/a"], level = 2}, {use = "token_provider"}, "header_injector"'
    )
    write("prio.toml", f'client_id = "shop"\nclient_secret = "s"\npipeline = [{declared}]\n')
    client = Settings().client()
    assert client.pipeline == (
        Component("https_enforcer"),
        Component("acme.audit:Audit", (("level", 2), ("paths", ("/a",)))),
        Component("token_provider"),
        Component("header_injector"),
    )
    assert hash(client) == hash(Settings().client())
    assert repr(client.pipeline[:2]) == "(https_enforcer, <Component acme.audit:Audit level, paths>)"
    assert json.loads(client.model_dump_json())["pipeline"][1] == {"use": "acme.audit:Audit", "level": "**", "paths": "**"}
    assert ClientSettings(**OWN, pipeline=client.pipeline).pipeline == client.pipeline


def test_a_variable_declares_names(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_PIPELINE", ", ".join(BUILT_IN))
    assert [component.use for component in Settings(**OWN).client().pipeline] == list(BUILT_IN)


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        (3, "expected a valid tuple"),
        ([3], "expected a component's name, or a table such as"),
        ([{}], "expected a component's name, or a table such as"),
        ([{"use": 3}], "expected a component's name, or a table such as"),
        ([""], "expected a value, found an empty one"),
        (["a\nb"], "expected one line of text without control characters"),
        ([{"use": "origin_guard", "foreign": "refuse"}], "origin_guard takes no options here: they are settings of their own"),
        (
            [{"use": "acme:Audit", "x": {"y": 1}}],
            "expected options that are strings, numbers, true or false, or lists of these",
        ),
        ([{"use": "acme:Audit", "x": [[1]]}], "expected options that are strings, numbers, true or false, or lists of these"),
        ([{"use": "acme:Audit", "x": None}], "expected options that are strings, numbers, true or false, or lists of these"),
    ],
)
def test_declarations_that_will_not_do(pipeline: Any, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientSettings(**OWN, pipeline=pipeline)
    assert expected in str(caught.value)
