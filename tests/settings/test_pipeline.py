from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ClientSettings, ConfigurationError, Exchange, HTTPSEnforcer, Settings
from prio_middleware.build import build_pipeline
from prio_middleware.pipeline.registry import BUILT_IN
from prio_middleware.settings.models import DeclaredComponent

OWN = {"client_id": "shop", "client_secret": "s3cret"}


def test_the_default_is_declared_by_nothing() -> None:
    assert ClientSettings(**OWN).pipeline == ()


def test_a_file_declares_names_and_options(write: Callable[[str, str], Path]) -> None:
    declared = (
        '"https_enforcer", {use = "acme.audit:Audit", paths = ["/a"], level = 2}, {use = "token_provider"}, "header_injector"'
    )
    write("prio.toml", f'client_id = "shop"\nclient_secret = "s"\npipeline = [{declared}]\n')
    client = Settings().client()
    assert client.pipeline == (
        DeclaredComponent("https_enforcer"),
        DeclaredComponent("acme.audit:Audit", (("level", 2), ("paths", ("/a",)))),
        DeclaredComponent("token_provider"),
        DeclaredComponent("header_injector"),
    )
    assert hash(client) == hash(Settings().client())
    assert repr(client.pipeline[:2]) == "(https_enforcer, <DeclaredComponent acme.audit:Audit level, paths>)"
    assert json.loads(client.model_dump_json())["pipeline"][1] == {"use": "acme.audit:Audit", "level": "**", "paths": "**"}
    assert ClientSettings(**OWN, pipeline=client.pipeline).pipeline == client.pipeline


def test_a_variable_declares_names(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_PIPELINE", ", ".join(BUILT_IN))
    assert [component.use for component in Settings(**OWN).client().pipeline] == list(BUILT_IN)


WRONG_DECLARATIONS: list[tuple[Any, str]] = [
    (3, "expected a valid tuple"),
    ([3], "expected the name of a component, or a table such as"),
    ([{}], "expected the name of a component, or a table such as"),
    ([{"use": 3}], "expected the name of a component, or a table such as"),
    ([""], "expected a value, found an empty one"),
    (["a\nb"], "expected one line of text without control characters"),
    ([{"use": "origin_guard", "foreign": "refuse"}], "origin_guard takes no options here: set them as settings of the client"),
    (
        [{"use": "acme:Audit", "x": {"y": 1}}],
        "expected options that are strings, numbers, true or false, or lists of these",
    ),
    ([{"use": "acme:Audit", "x": [[1]]}], "expected options that are strings, numbers, true or false, or lists of these"),
    ([{"use": "acme:Audit", "x": None}], "expected options that are strings, numbers, true or false, or lists of these"),
]


def test_declarations_that_will_not_do(subtests: pytest.Subtests) -> None:
    for pipeline, expected in WRONG_DECLARATIONS:
        with subtests.test(str((pipeline, expected))):
            with pytest.raises(ConfigurationError) as caught:
                ClientSettings(**OWN, pipeline=pipeline)
            assert expected in str(caught.value)


GUARDED = ["https_enforcer", "origin_guard", "token_provider", "header_injector"]


@pytest.mark.pitfall(id="pipeline-without-guards")
@pytest.mark.parametrize(
    ("pipeline", "named", "written"),
    [
        (["token_provider", "header_injector"], ["https_enforcer", "origin_guard"], GUARDED),
        (["origin_guard", "token_provider", "header_injector"], ["https_enforcer"], GUARDED),
        (["https_enforcer", "token_provider", "origin_guard", "header_injector"], ["origin_guard stands after"], GUARDED),
        (
            ["application_info", "token_provider", {"use": "my:Own", "key": "canary"}, "header_injector"],
            ["https_enforcer", "origin_guard"],
            ["https_enforcer", "origin_guard", "application_info", "token_provider"],
        ),
    ],
)
def test_a_pipeline_without_its_guards_is_told_how_to_be_written(
    pipeline: list[Any], named: list[str], written: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ClientSettings(**OWN, pipeline=pipeline)

    told, _, remedy = caught.value.message.partition("write pipeline = ")
    assert [name for name in named if name not in told] == []
    assert remedy.startswith(json.dumps(written)[:-1])
    assert "canary" not in str(caught.value)


@pytest.mark.pitfall(id="pipeline-without-guards")
def test_a_guard_that_is_waived_by_name_may_be_missing_which_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = ["origin_guard", "token_provider", "header_injector"]
    client = ClientSettings(**OWN, name="berlin", pipeline=pipeline, waive="https_enforcer")
    build_pipeline(client)

    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "'berlin'" in record.getMessage()
    assert "https_enforcer" in record.getMessage()


WRONG_WAIVERS: list[tuple[dict[str, Any], str]] = [
    ({"pipeline": GUARDED, "waive": ["https_enforcer"]}, "waive: the pipeline contains https_enforcer"),
    ({"waive": ["https_enforcer", "origin_guard"]}, "waive: the pipeline contains https_enforcer and origin_guard"),
    ({"waive": ["https_enforcr"]}, "waive: there is no guard 'https_enforcr'; did you mean 'https_enforcer'?"),
    ({"waive": ["application_info"]}, "waive: application_info needs no waiver"),
    ({"waive": 3}, "waive: expected a valid tuple"),
]


def test_waivers_that_will_not_do(subtests: pytest.Subtests) -> None:
    for values, expected in WRONG_WAIVERS:
        with subtests.test(str((values, expected))):
            with pytest.raises(ConfigurationError) as caught:
                ClientSettings(**OWN, **values)
            assert expected in str(caught.value)


class OwnEnforcer(HTTPSEnforcer):
    """Counts as ``https_enforcer``."""


class Mine:
    """Component of another package."""

    def on_request(self, exchange: Exchange) -> None: ...


OWN_ENFORCER, MINE = f"{__name__}:OwnEnforcer", f"{__name__}:Mine"
STATIC = {"use": "prio_middleware.oauth.static_token:StaticTokenProvider", "token": "fixed"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"pipeline": [OWN_ENFORCER, "origin_guard", "token_provider", "header_injector"]}, None),
        ({"pipeline": ["https_enforcer", "origin_guard", STATIC, "header_injector"]}, None),
        ({"pipeline": [MINE, "origin_guard", "token_provider", "header_injector"]}, "https_enforcer is missing"),
        ({"pipeline": [MINE, "token_provider", "origin_guard", "header_injector"]}, "origin_guard stands after"),
        ({"pipeline": ["https_enforcer", STATIC, "origin_guard", "header_injector"]}, "origin_guard stands after"),
        (
            {"pipeline": [OWN_ENFORCER, "origin_guard", "token_provider", "header_injector"], "waive": "https_enforcer"},
            "both contains and waives https_enforcer",
        ),
    ],
)
def test_components_from_elsewhere_are_judged_when_the_pipeline_is_made(values: dict[str, Any], expected: str | None) -> None:
    client = ClientSettings(**OWN, name="berlin", **values)
    if expected is None:
        assert build_pipeline(client).provider
    else:
        with pytest.raises(ConfigurationError, match=expected) as caught:
            build_pipeline(client)
        assert caught.value.client == "berlin"


def test_a_client_with_a_pipeline_of_its_own_does_not_inherit_waivers() -> None:
    top = {**OWN, "pipeline": GUARDED[1:], "waive": ["https_enforcer"]}
    inheriting, own = {**OWN, "scope": "a"}, {**OWN, "pipeline": GUARDED}
    settings = Settings.from_values(**top, clients={"paris": inheriting, "berlin": own})
    assert (settings.client("paris").waive, settings.client("berlin").waive) == (("https_enforcer",), ())

    with pytest.raises(ConfigurationError, match="https_enforcer is missing") as caught:
        Settings.from_values(**top, clients={"berlin": {**OWN, "pipeline": GUARDED[1:]}})
    assert caught.value.client == "berlin"
