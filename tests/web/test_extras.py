from __future__ import annotations

import importlib
import sys

import pytest

EXTRAS = {"django": "asgiref.sync", "fastapi": "fastapi.params", "flask": "flask", "httpx2": "httpx2"}
"""Public modules that need an extra, with their first import of it."""


def test_a_module_without_its_package_names_the_extra(subtests: pytest.Subtests) -> None:
    for extra, framework in EXTRAS.items():
        with subtests.test(extra), pytest.MonkeyPatch.context() as patch:
            importlib.import_module(f"prio_middleware.{extra}")
            patch.delitem(sys.modules, f"prio_middleware.{extra}")
            patch.setitem(sys.modules, framework, None)
            with pytest.raises(ModuleNotFoundError, match=rf"pip install 'prio-middleware\[{extra}\]'") as caught:
                importlib.import_module(f"prio_middleware.{extra}")
            assert caught.value.name == framework
