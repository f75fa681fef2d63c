"""A trace as a tree, with the part of the time that each span took. Needs ``rich``, of the extra ``cli``."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from ..telemetry import names
from .spans import KeptSpan

SHOWN = {
    names.STATUS: "status",
    names.FETCH_REASON: "reason",
    names.FETCH_ATTEMPTS: "attempts",
    names.REAUTHENTICATION_OUTCOME: "outcome",
    names.ERROR_TYPE: "error",
}
"""The attributes that are shown, and what they are called."""

BAR = 10
"""Characters of the bar that stands for the whole time."""


def span_tree(spans: Sequence[KeptSpan]) -> Tree:
    """The first span, and below it those that are its children, in the order in which they began."""
    root = spans[0]
    tree = Tree(_label(root, root.seconds), guide_style="dim")
    branches = {root.id: tree}
    for span in spans[1:]:
        branches[span.id] = branches[span.parent].add(_label(span, root.seconds))
    return tree


def _label(span: KeptSpan, whole: float) -> Text:
    part = max(1, round(BAR * span.seconds / whole)) if whole else BAR
    facts = ", ".join(f"{label} {span.attributes[name]}" for name, label in SHOWN.items() if name in span.attributes)
    return Text.assemble(
        (span.name.removeprefix("prio_middleware."), "bold"),
        f"  {span.seconds * 1000:,.0f} ms ",
        ("#" * part, "green"),
        (f"\n{facts}" if facts else "", "dim"),
    )
