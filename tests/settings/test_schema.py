from __future__ import annotations

import inspect
import json
from importlib.resources import files
from typing import Any

import pytest

from prio_middleware.settings.models import ClientTable
from scripts import settings_schema as schema
from scripts.settings_schema import json_schema, schema_text


def test_the_checked_in_schema_is_true() -> None:
    checked_in = (files("prio_middleware.settings") / "schema.json").read_text(encoding="utf-8")
    assert checked_in == schema_text(), "write it anew: python -m scripts.settings_schema > .../settings/schema.json"


def test_it_is_what_the_module_prints(capsys: pytest.CaptureFixture[str]) -> None:
    code = compile(inspect.getsource(schema), schema.__file__, "exec")
    exec(code, {"__name__": "__main__", "__package__": schema.__package__})
    assert json.loads(capsys.readouterr().out) == json_schema()


def _keys(written: dict[str, Any]) -> dict[str, Any]:
    return {**written["properties"], **written["$defs"]["Application"]["properties"]}


def test_every_key_is_described() -> None:
    keys = _keys(json_schema())
    assert {"client_id", "name"} <= keys.keys()
    assert [key for key, described in keys.items() if not described.get("description")] == []


def test_every_time_says_its_unit() -> None:
    times = {
        key: value for key, value in _keys(json_schema()).items() if key.endswith(("_timeout", "_lifetime", "_max", "_expiry"))
    }
    assert len(times) == 9
    assert not [key for key, described in times.items() if "second" not in described["description"].lower()]


def test_nothing_is_required_and_nothing_unknown_allowed() -> None:
    written = json_schema()
    for table in (written, *written["$defs"].values()):
        assert "required" not in table
        assert table["additionalProperties"] is False
    assert written["properties"].keys() - {"clients"} == ClientTable.model_fields.keys()


def test_it_has_no_null_which_toml_has_not() -> None:
    assert "null" not in schema_text()
