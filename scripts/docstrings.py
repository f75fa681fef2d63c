"""Docstrings, made ready for the site: what Sphinx, a terminal and Python itself read well becomes Markdown."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Module, Object

_ROLE = re.compile(r":(?:class|func|meth|mod|attr):`~?([^`]+)`")
_SESSION = re.compile(r"(?:^(?:>>>|\.\.\.)(?: .*)?\n?)+", re.MULTILINE)


class Docstrings(Extension):
    """Rewrites each docstring before it is rendered, and gives classes those that they take from a base."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Handle each object that griffe has read."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """Follow ``__doc__ = Base.__doc__``, once griffe has read the package."""
        for module in pkg.modules.values():
            for cls in module.classes.values():
                if not cls.is_alias and "__doc__" in cls.members:
                    named = str(cls.attributes["__doc__"].value).removesuffix(".__doc__")
                    cls.docstring = next(base for base in cls.mro() if base.name == named).docstring


def as_markdown(docstring: str) -> str:
    """``docstring`` with roles as code, ``>>>`` sessions as blocks, and no ``::`` on a line of its own."""
    text = re.sub(r"^::\n", "", docstring, flags=re.MULTILINE)
    text = _ROLE.sub(r"`\1`", text)
    return _SESSION.sub(_block, text)


def _block(session: re.Match[str]) -> str:
    lines = session[0].splitlines()
    return "\n".join(["```python", *(line[4:] for line in lines), "```", ""])
