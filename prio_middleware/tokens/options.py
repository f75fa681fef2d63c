"""What a request asks of its token: ``client.get(url, extensions={"prio": {"scope": "..."}})``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from .token import DEFAULT_OPTIONS, TokenOptions

EXTENSION = "prio"
"""The key in a request's ``extensions``. What is under it is the caller's own: it is read, never written."""


def request_options(extensions: Mapping[str, Any], client: str, url: object) -> TokenOptions:
    """The options in ``extensions``.

    Raises:
        ConfigurationError: they hold an unknown name or a value of the wrong type.
    """
    given = extensions.get(EXTENSION)
    if given is None:
        return DEFAULT_OPTIONS
    problem = _problem(given)
    if problem:
        raise ConfigurationError(
            f'extensions["{EXTENSION}"]: {problem}', client=client, url=url, remedy="Correct the options of this request."
        )
    params = tuple(sorted(given.get("params", {}).items()))
    return TokenOptions(given.get("scope"), given.get("audience"), given.get("resource"), params)


def _problem(given: object) -> str | None:
    if not isinstance(given, Mapping):
        return f"expected a dict of options, got {type(given).__name__}."
    for name, value in given.items():
        if name not in TokenOptions._fields:
            return f"there is no option {name!r}.{_nearest(name)}"
        if not (_is_text_map(value) if name == "params" else isinstance(value, str)):
            expected = "a dict of texts" if name == "params" else "a text"
            return f"{name!r} is {expected}, not {type(value).__name__}."
    return None


def _nearest(name: object) -> str:
    import difflib

    near = difflib.get_close_matches(str(name), TokenOptions._fields)
    return f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(TokenOptions._fields)}."


def _is_text_map(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)
