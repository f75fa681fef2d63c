"""Settings as text: what each is, and where it came from. Nothing of it is a secret."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel

from ..secret import Secret
from ..settings.client import SECRET_FILES, STORE_SECRET_FILES

if TYPE_CHECKING:
    from ..settings import ClientSettings

MASK = "**"

DEFAULT = "default"

_FILES = SECRET_FILES | {f"token_store.{key}": f"token_store.{file}" for key, file in STORE_SECRET_FILES.items()}

IMPORTANT = ("base_url", "token_url")
"""Settings that are worth a look, also where they are defaults."""

_COMMENT_COLUMN = 44


class Row(NamedTuple):
    """One setting.

    Attributes:
        key: its name; that within a table has a dot.
        value: a text, number, flag or list of texts; None where it is not set.
        source: where it came from.
    """

    key: str
    value: object
    source: str

    @property
    def is_given(self) -> bool:
        """Somebody has set it."""
        return self.source != DEFAULT

    @property
    def setting(self) -> str:
        """As it would stand in ``prio.toml``; one that is not set, as a comment."""
        return f"# {self.key}" if self.value is None else f"{self.key} = {json.dumps(self.value, ensure_ascii=False)}"

    @property
    def comment(self) -> str:
        """Where it came from."""
        return f"# {self.source if self.value is not None or self.is_given else 'not set'}"


def beside(setting: str, comment: str, width: int) -> list[str]:
    """A setting with its comment on the same line, or on the next one if both are too long for one."""
    line = f"{setting:<{_COMMENT_COLUMN}}  {comment}"
    return [line] if len(line) <= width else [setting, f"    {comment}"]


def rows(settings: ClientSettings, provenance: Mapping[str, str]) -> list[Row]:
    """Every setting of a client."""
    return [Row(key, value, _source(key, provenance)) for key, value in _values(settings)]


def chosen(shown: Iterable[Row]) -> list[Row]:
    """Those that somebody has set, and the important ones."""
    return [row for row in shown if row.is_given or (row.key in IMPORTANT and row.value)]


def by_key(shown: Iterable[Row]) -> dict[str, object]:
    """Rows as JSON can hold them."""
    return {row.key: {"value": row.value, "from": row.source} for row in shown}


def _values(settings: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name in type(settings).model_fields:
        value, key = getattr(settings, name), f"{prefix}{name}"
        match key, value:
            case "name", _:
                pass
            case _, BaseModel():
                yield from _values(value, f"{key}.")
            case "params" | "app.extra", tuple() if value:
                yield from ((f"{key}.{pair}", _plain(key, text)) for pair, text in value)
            case _:
                yield key, _plain(key, value)


def _plain(key: str, value: object) -> object:
    match key, value:
        case _, Secret():
            return MASK
        case _, Path():
            return str(value)
        case "token_url", str() if "?" in value:
            return f"{value.partition('?')[0]}?{MASK}"
        case "pipeline", tuple():
            # Of the options, nobody but their author knows whether they are secrets. The same is true of params.
            return [component.use for component in value] or None
        case _, tuple():
            return list(value) or None
        case _:
            return value


def _source(key: str, provenance: Mapping[str, str]) -> str:
    within = (where for given, where in provenance.items() if given == key or given.startswith(f"{key}."))
    return next(within, None) or provenance.get(_FILES.get(key, ""), DEFAULT)
