"""What may be seen of a secret: in an error and all that hangs on it, as crash reporters and rich's tracebacks print it."""

from __future__ import annotations

import base64
import re
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from rich.pretty import pretty_repr

import prio_middleware

OURS = Path(prio_middleware.__file__).parent
RUN = 10
"""A run of so many letters and digits of a secret gives it away. Every encoding but base64 leaves them as they are."""


def shown(text: str, secrets: Iterable[str]) -> list[str]:
    """The traces of ``secrets`` in ``text``."""
    return [trace for secret in secrets for trace in _traces(secret) if trace in text]


def _traces(secret: str) -> Iterator[str]:
    yield from re.findall(rf"\w{{{RUN},}}", secret)
    for encoded in (secret, quote(secret, safe="")):
        for before in range(3):
            whole = base64.b64encode(b"x" * before + encoded.encode()).decode()
            # Without the ends, which share their bytes with what stands before and after.
            yield whole[before + 1 : len(whole) - 4]


def assert_silent(error: BaseException, secrets: Iterable[str]) -> None:
    """Neither ``error`` nor anything that is printed with it shows any of ``secrets``."""
    found = [(where, trace) for where, text in _printed(error) for trace in shown(text, secrets)]
    assert found == []


def _printed(error: BaseException) -> Iterator[tuple[str, str]]:
    for each in _family(error):
        name = type(each).__name__
        yield f"{name}: text", "".join(traceback.format_exception(each))
        yield f"{name}: parts", pretty_repr([each.args, vars(each), repr(each)])
        yield from (_whole(each, name))
        for frame, local, value in _locals(each.__traceback__):
            yield f"{frame}: {local}", f"{value!r} {pretty_repr(value)}"


def _family(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and those it was raised from or while handling."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


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
