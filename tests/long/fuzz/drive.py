"""One target under atheris, in a process of its own: ``python -m tests.long.fuzz.drive TARGET [OPTIONS OF LIBFUZZER]``."""

from __future__ import annotations

import importlib
import logging
import sys
from typing import Any

atheris: Any = importlib.import_module("atheris")

with atheris.instrument_imports(include=["prio_middleware"]):
    from tests.long.fuzz.targets import TARGETS

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # python-dotenv warns of every line that is none
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
