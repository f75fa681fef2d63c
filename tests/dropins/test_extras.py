from __future__ import annotations

import importlib
import sys

import pytest

EXTRAS = {"django": "asgiref.sync", "fastapi": "fastapi.params", "flask": "flask"}
"""The drop-ins' modules, and what each imports first of its framework."""


@pytest.mark.parametrize("extra", EXTRAS)
def test_a_drop_in_without_its_framework_names_the_extra(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    importlib.import_module(f"prio_middleware.{extra}")
    monkeypatch.delitem(sys.modules, f"prio_middleware.{extra}")
    monkeypatch.setitem(sys.modules, EXTRAS[extra], None)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'prio-middleware\[{extra}\]'") as caught:
        importlib.import_module(f"prio_middleware.{extra}")
    assert caught.value.name == EXTRAS[extra]
