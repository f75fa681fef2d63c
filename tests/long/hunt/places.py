"""Places where a secret could appear, and functions that read them."""

from __future__ import annotations

import copy
import dataclasses
import functools
import gc
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pydantic
from rich.pretty import pretty_repr

from prio_middleware.middleware.revocation.memory import EndpointKey
from prio_middleware.oauth.access_token import TokenOptions
from prio_middleware.settings.values import MaskedURL

PLACES = {
    "logs": "what every logger says at DEBUG, with arguments and extras",
    "spans": "spans as OpenTelemetry's SDK exports them",
    "metrics": "metrics as OpenTelemetry's SDK and Prometheus export them",
    "repr": "every object of this library that is alive, as str, repr and rich show it",
    "dumps": "the same objects pickled, copied, and dumped by pydantic and dataclasses, and what __getstate__ returns",
    "errors": "errors with all that hangs on them: notes, causes, context, tracebacks, and the locals of this library's frames",
    "pages": "answers of drop-ins: 503, readiness, the status page and its JSON",
    "output": "what commands write, and what this process does",
    "processes": "/proc: command line and environment of this process and of those it started",
    "elsewhere": "what servers of other origins are sent, and where redirects lead",
    "files": "files that this library writes",
    "redis": "keys and values of a shared store, and what it is asked",
}

Texts = Iterator[tuple[str, str]]

PACKAGE = "prio_middleware"
THE_OTHER_SIDE = ("sandbox", "testing", "demo")
"""The sandbox is a server: it knows secrets, and who may."""


def alive() -> list[object]:
    """Every object of a class of this library."""
    return [*residents(), *_ours(gc.get_objects())]


@functools.cache
def residents() -> list[object]:
    """Those that were there before the first hunt. What else was there is set aside, not to be looked through each time."""
    gc.unfreeze()
    gc.collect()
    there = _ours(gc.get_objects())
    gc.freeze()
    return there


def _ours(things: list[object]) -> list[object]:
    ours = {cls for cls in set(map(type, things)) if _is_ours(cls)}
    return [found for found in things if type(found) in ours]


def _is_ours(cls: type) -> bool:
    # Classes of some extension modules have a descriptor there, where others have a name.
    package, _, rest = str(cls.__module__).partition(".")
    return package == PACKAGE and rest.partition(".")[0] not in THE_OTHER_SIDE and not issubclass(cls, type)


def shown(things: list[object]) -> Texts:
    """``things`` as they are printed."""
    for thing in things:
        text = "" if isinstance(thing, MaskedURL) else _try(str, thing)
        yield _name(thing), f"{text} {_try(repr, thing)} {_try(pretty_repr, thing)}"


OPEN = (TokenOptions, EndpointKey, MaskedURL)
"""A tuple of what the caller passes, and a URL that is sent as it is: they are not printed, but are what their bases are."""


def dumped(things: list[object]) -> Texts:
    """``things`` as they are written, or how that fails."""
    for thing in things:
        if isinstance(thing, OPEN):
            continue
        ways: list[Callable[[Any], object]] = [pickle.dumps, lambda thing: repr(copy.copy(thing)), state]
        if isinstance(thing, pydantic.BaseModel):
            ways += [lambda thing: thing.model_dump(), lambda thing: thing.model_dump_json()]
        if dataclasses.is_dataclass(thing):
            ways.append(dataclasses.asdict)
        yield _name(thing), " ".join(_try(way, thing) for way in ways)


def state(thing: Any) -> str:
    """Return the state that serializers other than pickle read, unless the class is one of the standard library's."""
    return repr(thing.__getstate__()) if "__slots__" in vars(type(thing)) or hasattr(type(thing), "__getstate__") else ""


def _name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _try(way: Callable[[Any], object], thing: object) -> str:
    try:
        made = way(thing)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is printed, and looked at
        return f"{error!r} {error} {error.__context__!r}"
    return made.decode("latin-1") if isinstance(made, bytes) else str(made)


def processes() -> Texts:
    """This process and its descendants, as others on this machine, or their children, see them."""
    for pid in (os.getpid(), *_descendants(os.getpid())):
        for file in ("cmdline", "environ"):
            try:
                text = Path(f"/proc/{pid}/{file}").read_bytes().decode("latin-1").replace("\0", " ")
            except OSError:  # It has ended.
                continue
            yield f"{file} of {Path(f'/proc/{pid}/comm').read_text().strip() if text else pid}", text


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, _children(task)):
            yield child
            yield from _descendants(child)


def _children(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
