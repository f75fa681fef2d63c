from __future__ import annotations

import inspect
import json
from importlib.resources import files
from typing import Any

import pytest

from prio_middleware.settings.models import ClientTable
from scripts import settings_schema as schema
from scripts.settings_schema import json_schema, schema_text


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """Return the schema. Computing it takes a tenth of a second."""
    return json_schema()


def test_the_checked_in_schema_is_current() -> None:
    checked_in = (files("prio_middleware.settings") / "schema.json").read_text(encoding="utf-8")
    assert checked_in == schema_text(), "write it anew: python -m scripts.settings_schema > .../settings/schema.json"
    assert "null" not in checked_in  # TOML has no null.


def test_the_module_prints_the_schema(written: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    code = compile(inspect.getsource(schema), schema.__file__, "exec")
    exec(code, {"__name__": "__main__", "__package__": schema.__package__})
    assert json.loads(capsys.readouterr().out) == written


def _keys(written: dict[str, Any]) -> dict[str, Any]:
    return {**written["properties"], **written["$defs"]["Application"]["properties"]}


def test_every_key_has_a_description(written: dict[str, Any]) -> None:
    keys = _keys(written)
    assert {"client_id", "name"} <= keys.keys()
    assert [key for key, described in keys.items() if not described.get("description")] == []


def test_the_description_of_a_time_names_its_unit(written: dict[str, Any]) -> None:
    times = {key: value for key, value in _keys(written).items() if key.endswith(("_timeout", "_lifetime", "_max", "_expiry"))}
    assert len(times) == 9
    assert not [key for key, described in times.items() if "second" not in described["description"].lower()]


def test_no_key_is_required_and_unknown_keys_are_errors(written: dict[str, Any]) -> None:
    for table in (written, *written["$defs"].values()):
        assert "required" not in table
        assert table["additionalProperties"] is False
    assert written["properties"].keys() - {"clients"} == ClientTable.model_fields.keys()
