"""Search for secrets in an error and everything reachable from it, as crash reporters and rich print it."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.pretty import pretty_repr

import prio_middleware
from prio_middleware._util.secret_matcher import SecretMatcher

OURS = Path(prio_middleware.__file__).parent
RUN = 10
"""Number of consecutive characters of a secret that count as a leak."""


def shown(text: str, secrets: Iterable[str]) -> list[str]:
    """Return the form in which ``text`` holds one of ``secrets``, if any."""
    traces = SecretMatcher(secrets, RUN)
    return list(filter(None, [traces.find(text)]))


def assert_silent(error: BaseException, secrets: Iterable[str]) -> None:
    """Neither ``error`` nor anything that is printed with it shows any of ``secrets``."""
    traces = SecretMatcher(secrets, RUN)
    assert [(where, how) for where, text in printed(error) if (how := traces.find(text))] == []


def printed(error: BaseException) -> Iterator[tuple[str, str]]:
    for each in _family(error):
        name = type(each).__name__
        yield f"{name}: text", "".join(traceback.format_exception(each))
        yield f"{name}: parts", pretty_repr([each.args, vars(each), repr(each)])
        yield from (_whole(each, name))
        for frame, local, value in _locals(each.__traceback__):
            yield f"{frame}: {local}", f"{value!r} {pretty_repr(value)}"


def _family(error: BaseException | None) -> Iterator[BaseException]:
    """The error, those it was raised from or while handling, hidden ones too, and those of a group."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def _locals(trace: TracebackType | None) -> Iterator[tuple[str, str, Any]]:
    while trace is not None:
        code = trace.tb_frame.f_code
        if Path(code.co_filename).is_relative_to(OURS):
            yield from ((code.co_qualname, name, value) for name, value in trace.tb_frame.f_locals.items())
        trace = trace.tb_next


def _whole(error: BaseException, name: str) -> Iterator[tuple[str, str]]:
    """All that can be reached from an error's attributes, printable or not: the request of the HTTP library, for one."""
    seen: dict[int, object] = {}
    waiting: list[tuple[str, object]] = [(name, vars(error))]
    while waiting:
        path, found = waiting.pop()
        if id(found) in seen or isinstance(found, type) or callable(found):
            continue
        seen[id(found)] = found
        if isinstance(found, str | bytes):
            yield path, found if isinstance(found, str) else found.decode("latin-1")
        waiting += [(f"{path}.{part}", value) for part, value in _parts(found)]


def _parts(found: object) -> Iterator[tuple[str, object]]:
    if isinstance(found, dict):
        yield from ((str(key), value) for key, value in found.items())
    elif isinstance(found, list | tuple | set | frozenset):
        yield from ((str(number), value) for number, value in enumerate(found))
    yield from getattr(found, "__dict__", {}).items()
    for cls in type(found).__mro__:
        yield from ((slot, getattr(found, slot)) for slot in vars(cls).get("__slots__", ()) if hasattr(found, slot))
