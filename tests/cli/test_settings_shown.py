from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ClientSettings, Settings
from prio_middleware.cli.settings_shown import Row, by_key, rows, with_comment, without_defaults

CANARY = "c4n4ry-"


def shown(**values: Any) -> dict[str, Row]:
    settings = Settings.from_values(**{"client_id": "shop", "client_secret": f"{CANARY}secret", **values})
    return {row.key: row for row in rows(settings.client(), settings.provenance())}


def test_every_setting_is_shown() -> None:
    assert shown().keys() >= ClientSettings.model_fields.keys() - {"name", "app"}
    assert "app.name" in shown()


SHOWN: list[tuple[dict[str, Any], str, object]] = [
    ({}, "client_secret", "**"),
    ({"proxy": f"http://me:{CANARY}pw@proxy.example:3128"}, "proxy", "**"),
    ({"token_url": f"https://login.example/token?key={CANARY}"}, "token_url", "https://login.example/token?**"),
    ({"params": {"api_key": f"{CANARY}key"}}, "params.api_key", "**"),
    ({"token_headers": {"X-Key": f"{CANARY}key"}}, "token_headers.X-Key", "**"),
    (
        {"pipeline": [{"use": "shop:Tag", "key": f"{CANARY}key"}, "token_provider"]},
        "pipeline",
        ["shop:Tag", "token_provider"],
    ),
    ({"app": {"name": "shop", "extra": {"Channel": "kiosk"}}}, "app.extra.Channel", "kiosk"),
    (
        {"allowed_origins": "https://a.example https://b.example"},
        "allowed_origins",
        ["https://a.example", "https://b.example"],
    ),
    ({"renew_on": {401: "any", 403: ["token_revoked"]}}, "renew_on.403", ["token_revoked"]),
    ({}, "allowed_origins", None),
    ({}, "params", None),
    ({}, "pipeline", None),
    ({}, "read_timeout", 60.0),
    ({"http2": True}, "http2", True),
]


def test_values_are_plain_and_secrets_masked(subtests: pytest.Subtests) -> None:
    for values, key, value in SHOWN:
        with subtests.test(f"{key} of {values}"):
            table = shown(**values)

            assert table[key].value == value
            assert CANARY not in str(table)


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{CANARY}secret\n")
    secret.chmod(0o600)
    table = shown(client_secret=None, client_secret_file=secret)

    assert table["client_secret"] == Row("client_secret", "**", "argument client_secret_file")
    assert table["client_secret_file"].value == str(secret)


def test_what_is_given_is_told_from_what_is_not() -> None:
    table = shown(scope="a b", app={"name": "shop"}, params={"tenant": "t"})

    assert [row.key for row in without_defaults(table.values())] == [
        "base_url",
        "token_url",
        "client_id",
        "client_secret",
        "scope",
        "params.tenant",
        "app.name",
    ]
    assert table["app.name"].source == "argument app.name"
    assert table["base_url"].source == "default"


def test_a_table_in_a_variable_is_the_source_of_its_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_RENEW_ON", '{"401": "any"}')
    settings = Settings(client_id="shop", client_secret=f"{CANARY}secret")
    [row] = [row for row in rows(settings.client(), settings.provenance()) if row.key == "renew_on.401"]

    assert (row.value, row.source) == ("any", "PRIO_RENEW_ON")
    assert tomllib.loads(row.setting) == {"renew_on": {"401": "any"}}


def test_a_setting_reads_as_in_the_settings_file() -> None:
    table = shown(scope='a "b"', allowed_origins=["https://a.example"])
    text = "\n".join(f"{row.setting} {row.comment}" for row in table.values())

    assert tomllib.loads(text)["scope"] == 'a "b"'
    assert tomllib.loads(text)["http2"] is False
    assert tomllib.loads(text)["allowed_origins"] == ["https://a.example"]
    assert "# audience # not set" in text
    assert f"{table['scope'].setting} # argument scope" in text


def test_a_comment_without_room_goes_below() -> None:
    assert with_comment("scope = 1", "# PRIO_SCOPE", 80) == [f"{'scope = 1':<44}  # PRIO_SCOPE"]
    assert with_comment("scope = 1", "# PRIO_SCOPE", 40) == ["scope = 1", "    # PRIO_SCOPE"]


def test_for_programs() -> None:
    assert by_key([Row("scope", "a", "PRIO_SCOPE")]) == {"scope": {"value": "a", "from": "PRIO_SCOPE"}}


def test_the_url_and_the_key_of_a_token_store_are_masked(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=\n")
    key.chmod(0o600)
    table = shown(token_store={"url": f"rediss://me:{CANARY}pw@redis.example", "encryption_key_file": key})

    assert (table["token_store.url"].value, table["token_store.encryption_key"].value) == ("**", "**")
    assert table["token_store.encryption_key"].source == "argument token_store.encryption_key_file"
    assert CANARY not in str(table)


def test_headers_of_one_variable_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIO_PROVIDER", "none")
    monkeypatch.setenv("PRIO_HEADERS", f'{{"X-Api-Key": "{CANARY}"}}')
    settings = Settings()
    found = {row.key: row for row in rows(settings.client(), settings.provenance())}

    assert (found["headers.X-Api-Key"].value, found["headers.X-Api-Key"].source) == ("**", "PRIO_HEADERS")
