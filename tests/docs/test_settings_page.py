"""The page of settings is what the schema says."""

from __future__ import annotations

import re
from pathlib import Path

from prio_middleware.settings.document import TOP_LEVEL_KEYS
from scripts import settings_reference


def test_the_page_is_up_to_date() -> None:
    assert settings_reference.PAGE.read_text() == settings_reference.page(), "Run: python scripts/settings_reference.py"


def test_every_setting_is_on_it() -> None:
    found = re.findall(r"^### (\w+)", settings_reference.page(), re.MULTILINE)
    assert {"app" if name == "app" else name for name in found} == set(TOP_LEVEL_KEYS)


def test_the_variables_of_nested_settings_are_spelt_as_the_environment_has_them() -> None:
    assert "`PRIO_APP__NAME`" in settings_reference.page()
    assert isinstance(settings_reference.PAGE, Path)
