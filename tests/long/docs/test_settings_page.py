"""The page of settings is what the schema says."""

from __future__ import annotations

import re

from prio_middleware.settings.client import TOP_LEVEL_KEYS
from scripts import settings_reference


def test_the_page_is_up_to_date() -> None:
    assert settings_reference.PAGE.read_text() == settings_reference.page(), "Run: python scripts/settings_reference.py"


def test_every_setting_is_on_it() -> None:
    found = re.findall(r"^### (\w+)", settings_reference.page(), re.MULTILINE)
    assert set(found) == set(TOP_LEVEL_KEYS)


def test_a_nested_setting_is_spelt_as_the_environment_has_it() -> None:
    assert "`PRIO_APP__NAME`" in settings_reference.page()
