"""Where the values of a client came from, spelt so that whoever wrote them finds them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .client import SECRET_FILES
from .layers import Layer, Table, inherits
from .problems import KeyPath


def provenance(layers: Sequence[Layer], name: str, table: Table) -> Mapping[str, str]:
    """For every setting in a client's table: where it came from. Keys within tables are joined by dots."""
    return {".".join(path): where(layers, name, path) for path in sorted(_leaves(table))}


def where(layers: Sequence[Layer], name: str, path: KeyPath) -> str:
    """Where the value of a client's key stands; for one that stands nowhere, its name."""
    prefix = "" if name == "default" else f"client {name!r}: "
    return _place(layers, name, path) or f"{prefix}{'.'.join(path)}"


def _place(layers: Sequence[Layer], name: str, path: KeyPath) -> str | None:
    spelt = (layer.spell(place) for place in _places(name, path) for layer in layers if layer.has(place))
    return next(spelt, None)


def _places(name: str, path: KeyPath) -> Iterator[KeyPath]:
    """Where a value may stand, the likeliest place first. One within a list is found by the list's own key."""
    tables: list[KeyPath] = [("clients", name), ()] if inherits(name, path[0]) else [("clients", name)]
    for length in range(len(path), 0, -1):
        for table in tables:
            yield (*table, *path[:length])
    if path[0] in SECRET_FILES:
        for table in tables:
            yield (*table, SECRET_FILES[path[0]])


def _leaves(table: Table) -> Iterator[KeyPath]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from ((key, *path) for path in _leaves(value))
        else:
            yield (key,)
