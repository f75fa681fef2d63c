"""Docstrings, made ready for the site: what Sphinx and a terminal read well becomes Markdown."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

_ROLE = re.compile(r":(?:class|func|meth|mod|attr):`~?([^`]+)`")
_SESSION = re.compile(r"(?:^(?:>>>|\.\.\.)(?: .*)?\n?)+", re.MULTILINE)


class Markdown(Extension):
    """Rewrites each docstring before it is rendered."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """What griffe calls for everything it reads."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """``docstring`` with roles as code, ``>>>`` sessions as blocks, and no ``::`` of its own line."""
    text = re.sub(r"^::\n", "", docstring, flags=re.MULTILINE)
    text = _ROLE.sub(r"`\1`", text)
    return _SESSION.sub(_block, text)


def _block(session: re.Match[str]) -> str:
    lines = session[0].splitlines()
    return "\n".join(["```python", *(line[4:] for line in lines), "```", ""])
