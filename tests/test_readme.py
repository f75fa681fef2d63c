"""What the README promises can be looked up. Its examples are run by the tests of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
GUARANTEES = re.findall(r"`python -m pytest ([^`]+)`", README)


def test_every_guarantee_names_tests_that_exist() -> None:
    named = [Path(path) for command in GUARANTEES for path in command.split()]

    assert len(named) > 5
    assert [path for path in named if not (Path(__file__).parent.parent / path).exists()] == []


def test_the_example_component_is_under_ten_lines() -> None:
    [component] = [example for example in PYTHON if "class RequestId" in example]

    assert len(component.splitlines()) < 10
