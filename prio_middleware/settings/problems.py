"""What is wrong with a setting, without the value it was given: that may be a secret, put into the wrong place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from ..errors import ConfigurationError
from ..nearest import did_you_mean
from .values import CONTROL

KeyPath = tuple[str, ...]
"""Where a value stands: ``("clients", "berlin", "scope")``."""

_LINE_LIMIT = 500


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        path: the key it is about; for a client's own settings, seen from the client.
        text: what is wrong, and what was expected instead.
        missing: there is no value at all.
    """

    path: KeyPath
    text: str
    missing: bool = False


def unknown_key(path: KeyPath, valid: Iterable[str]) -> Problem:
    """The problem of a key that does not exist."""
    return Problem(path, f"no such setting{did_you_mean(path[-1], valid)}")


def read_problems(error: ValidationError, keys: Mapping[KeyPath, Iterable[str]]) -> Iterator[Problem]:
    """Everything pydantic found, in our words. ``keys`` are the valid keys of each table."""
    for detail in error.errors(include_url=False):
        path = tuple(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            yield unknown_key(path, keys.get(path[:-1], ()))
        elif detail["type"] != "default_factory_not_called":  # a consequence of another problem
            yield Problem(path, _expected(detail["type"], detail["msg"], detail.get("ctx", {}), detail["input"]))


def _expected(kind: str, message: str, context: Mapping[str, Any], given: object) -> str:
    match kind:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            expected = str(context["expected"])
            hint = did_you_mean(given, re.findall(r"'([^']*)'", expected)) if isinstance(given, str) else ""
            return f"expected {expected}{hint}"
        case "model_type":
            return "expected a table"
        case "path_type":
            return "expected a file name"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return message.replace("Input should be", "expected a number")
        case _:
            return message.replace("Input should be", "expected")


def configuration_error(lines: Iterable[str], client: str | None = None) -> ConfigurationError:
    """One error for everything that is wrong, so that it can be mended in one go."""
    wrong = [CONTROL.sub(" ", line)[:_LINE_LIMIT] for line in dict.fromkeys(lines)]
    if len(wrong) > 1:
        return ConfigurationError("\n  - ".join(["The settings are not right:", *wrong]) + "\n", client=client)
    stop = "" if wrong[0].endswith("?") else "."
    return ConfigurationError(f"The settings are not right: {wrong[0]}{stop}", client=client)
