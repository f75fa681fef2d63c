from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from scripts.settings_schema import schema_text
from tests.cli.helpers import prio


@pytest.fixture(autouse=True)
def _two_clients(folder: Path) -> None:
    (folder / "prio.toml").write_text(
        'client_id = "shop"\nclient_secret = "c4n4ry-one"\nscope = "a"\n'
        '[clients.berlin]\nclient_id = "berlin"\nclient_secret = "c4n4ry-two"\n'
    )


def test_config_shows_every_client_and_the_source_of_each_value() -> None:
    result = prio("config", "show")

    assert result.exit_code == 0
    assert tomllib.loads(result.stdout)["clients"]["berlin"]["client_id"] == "berlin"
    assert re.search(r'^scope = "a" +# prio.toml: scope$', result.stdout, re.MULTILINE)
    assert "# prio.toml: clients.berlin.client_id" in result.stdout
    assert "read_timeout" not in result.stdout
    assert "c4n4ry" not in result.stdout


def test_config_shows_one_client_with_its_defaults() -> None:
    result = prio("config", "show", "--client", "berlin", "--all")

    assert result.stdout.startswith("[clients.berlin]\n")
    assert "read_timeout = 60.0" in result.stdout


def test_for_programs() -> None:
    shown = json.loads(prio("config", "show", "--json").stdout)

    assert shown["berlin"]["scope"] == {"value": "a", "from": "prio.toml: scope"}
    assert shown["default"]["client_secret"]["value"] == "**"


def test_settings_that_are_wrong_are_explained(folder: Path) -> None:
    (folder / "prio.toml").write_text('client_id = "shop"\nclient_secret = "s"\nscoep = "a"\n')
    result = prio("config", "show")

    assert result.exit_code == 2
    assert "did you mean 'scope'?" in result.stderr


def test_a_client_that_does_not_exist() -> None:
    result = prio("config", "show", "-c", "berln")

    assert result.exit_code == 2
    assert "did you mean 'berlin'?" in result.stderr


def test_the_schema_is_printed_as_it_is() -> None:
    assert prio("config", "schema").stdout == schema_text()
