"""Settings for rejected tokens: ``renew_on`` and ``path_templates``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ConfigurationError, Settings
from prio_middleware.build import build_pipeline
from prio_middleware.middleware import RevocationHandler
from prio_middleware.settings import ClientSettings
from prio_middleware.settings.models import renewal_rules

RULES = {"401": "any", "403": ["Token_Revoked", "token_revoked", "expired"], "498": []}
READ = ((401, None), (403, ("expired", "token_revoked")), (498, ()))


def client(**values: Any) -> ClientSettings:
    return ClientSettings(client_id="shop", client_secret="s3cret", **values)


SPELLINGS: list[object] = [RULES, {int(status): codes for status, codes in RULES.items()}, json.dumps(RULES), READ]


@pytest.mark.pitfall(id="bare-403")
def test_rules_may_be_given_as_a_table_or_as_text(subtests: pytest.Subtests) -> None:
    for given in SPELLINGS:
        with subtests.test(str(given)):
            assert client(renew_on=given).renew_on == READ


def test_refusal_rules_come_from_files_and_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prio.toml").write_text(
        'client_id = "shop"\nclient_secret = "s3cret"\nrenew_on = { 401 = "any", 403 = ["token_revoked"] }\n'
        'path_templates = ["/products/{product}/prices"]\n'
    )
    monkeypatch.chdir(tmp_path)
    assert Settings().client(None).renew_on == ((401, None), (403, ("token_revoked",)))
    assert Settings().client(None).path_templates == ("/products/{product}/prices",)
    monkeypatch.setenv("PRIO_RENEW_ON", '{"400": ["expired"]}')
    monkeypatch.setenv("PRIO_PATH_TEMPLATES", "/a/{b}, /c/{d}")
    assert (400, ("expired",)) in Settings().client(None).renew_on
    assert Settings().client(None).path_templates == ("/a/{b}", "/c/{d}")


def test_what_is_shown_can_be_read_again() -> None:
    settings = client(renew_on=RULES)
    shown = json.loads(settings.model_dump_json())["renew_on"]
    assert shown == {"401": "any", "403": ["expired", "token_revoked"], "498": []}
    assert client(renew_on=shown) == settings


MISTAKES: list[tuple[object, str]] = [
    ("any", "expected a table"),
    ("[" * 100_000, "expected a table"),
    (["401"], "expected a table"),
    (401, "expected a table"),
    ((401,), "expected a table"),
    ({"all": "any"}, "expected statuses from 400 to 499"),
    ({500: "any"}, "expected statuses from 400 to 499"),
    ({"0401": "any"}, "expected statuses from 400 to 499"),
    ({407: "any"}, "missing credentials for a proxy"),
    ({"429": "any"}, "a rate limit"),
    ({401: "all"}, 'expected "any", or a list'),
    ({401: True}, 'expected "any", or a list'),
    ({401: [1]}, 'expected "any", or a list'),
    ({401: [""]}, "expected a value"),
    ({401: ["a\nb"]}, "one line"),
    ({401: ["x" * 100]}, "64 characters"),
    ({403: ["Insufficient_Scope"]}, "lacks a scope"),
]


def test_statuses_may_be_numbers_in_arguments() -> None:
    settings = Settings.from_values(client_id="shop", client_secret="s3cret", renew_on={401: "any"})

    assert settings.client().renew_on == ((401, None),)
    assert settings.provenance()["renew_on.401"] == "argument renew_on"


def test_mistakes_say_what_was_expected(subtests: pytest.Subtests) -> None:
    for value, told in MISTAKES:
        with subtests.test(f"{value!r:.60}"):
            with pytest.raises(ConfigurationError, match="renew_on") as caught:
                client(renew_on=value)
            assert told in str(caught.value)


NO_TEMPLATES: list[object] = ["orders/{id}", "/orders{id}", "/{a/b}", "/a}", "/a?b={c}", "/a#b", ["/a\n"], [""], 7]


def test_a_template_is_a_path_with_whole_segments_in_braces(subtests: pytest.Subtests) -> None:
    for value in NO_TEMPLATES:
        with subtests.test(str(value)), pytest.raises(ConfigurationError, match="path_templates"):
            client(path_templates=value)


def test_the_pipeline_uses_the_refusal_rules() -> None:
    handler = next(
        one
        for one in build_pipeline(client(renew_on={404: "any", 403: ["gone"]})).components
        if isinstance(one, RevocationHandler)
    )
    assert handler.refusal_statuses == {400, 401, 403, 404}
    assert handler.rules.statuses[403] == frozenset({"gone"})
    assert handler.rules.statuses[401] is None
    assert renewal_rules(((404, None), (403, ("gone",)))) == {404: None, 403: frozenset({"gone"})}
