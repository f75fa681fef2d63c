from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from prio_middleware import ConfigurationError
from prio_middleware.pipeline.registry import GROUP, make_component

MODULE = """
from prio_middleware import ConfigurationError

class Audit:
    def __init__(self, level=1):
        self.level = level

class Broken:
    def __init__(self):
        raise OSError("canary")

class Particular:
    def __init__(self):
        raise ConfigurationError("Audit wants a level.")

NO_CLASS = 3
"""


@pytest.fixture(autouse=True)
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a third-party package that registers one component."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/__init__.py").write_text("")
    (tmp_path / "acme/audit.py").write_text(MODULE)
    (tmp_path / "acme/raising.py").write_text("raise RuntimeError('canary')")
    (tmp_path / "acme-1.dist-info").mkdir()
    (tmp_path / "acme-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (tmp_path / "acme-1.dist-info/entry_points.txt").write_text(
        f"[{GROUP}]\naudit = acme.audit:Audit\nlost = acme.lost:Audit\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("acme", "acme.audit"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()


def test_a_component_is_found_by_entry_point_and_by_path(subtests: pytest.Subtests) -> None:
    for use in ["audit", "acme.audit:Audit", "acme.audit.Audit"]:
        with subtests.test(f"{use}"):
            assert make_component(use, {}).level == 1
            assert make_component(use, {"level": 2}).level == 2


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("audti", {}, "There is no component 'audti'; did you mean 'audit'?"),
    ("origin_gard", {}, "There is no component 'origin_gard'; did you mean 'origin_guard'?"),
    (
        "xyzzy",
        {},
        "Install the package that registers it (entry points prio_middleware.components), or write package.module:Class.",
    ),
    ("lost", {}, "The component 'lost' cannot be imported: No module named 'acme.lost'."),
    ("acme.lost:Audit", {}, "The component 'acme.lost:Audit' cannot be imported: No module named 'acme.lost'."),
    ("acme.audit:Lost", {}, "cannot be imported: module 'acme.audit' has no attribute 'Lost'."),
    ("acme.raising:Audit", {}, "cannot be imported: the import raises RuntimeError."),
    ("no such:thing", {}, "cannot be imported: the import raises ValueError."),
    ("acme.audit:NO_CLASS", {}, "is neither a class nor a function."),
    ("audit", {"levle": 2}, "The component 'audit' does not accept its options: got an unexpected keyword argument 'levle'."),
    ("acme.audit:Broken", {}, "The component 'acme.audit:Broken' cannot be created: it raises OSError."),
    ("acme.audit:Particular", {}, "Audit wants a level."),
]


def test_what_will_not_do_is_a_configuration_error(subtests: pytest.Subtests) -> None:
    for use, options, expected in WRONG:
        with subtests.test(f"{use}"):
            with pytest.raises(ConfigurationError) as caught:
                make_component(use, options, "berlin")
            assert expected in str(caught.value)
            assert re.search(r"[^.?][.?]$", caught.value.message)  # One mark, also after a suggestion.
            assert "canary" not in str(caught.value)
            assert (caught.value.client, caught.value.__context__, caught.value.__cause__) == ("berlin", None, None)
