"""Which answers are to be spoilt, and with what."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp

from .clock import Pauses
from .names import unknown


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """What a fault may be told.

    Attributes:
        location: where redirects lead, and where metadata may say that the token endpoint is.
        retry_after: the ``Retry-After`` header; text is sent as it is: a date, or nonsense.
        seconds: how long slow faults take.
        size: bytes of the bodies that are too large.
    """

    location: str = "https://elsewhere.example/"
    retry_after: float | str | None = None
    seconds: float | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Spoilt:
    """What a fault can make use of.

    Attributes:
        options: what it was told.
        pauses: how to wait.
        app: the answer that would have been given.
        document: the token response, or the metadata, that would have been given; empty at the API.
        secret: the secret that was presented; empty at the API.
    """

    options: FaultOptions
    pauses: Pauses
    app: ASGIApp
    document: Mapping[str, Any] = field(default_factory=dict)
    secret: str = ""


Fault = Callable[[Spoilt], ASGIApp]


@dataclass(slots=True)
class _Due:
    name: str
    options: FaultOptions
    times: int | None
    path: str


class FaultPlan:
    """The faults to come, in their order, of the token endpoint or of the API. Thread-safe.

    Args:
        table: the faults there are.
    """

    def __init__(self, table: Mapping[str, Fault]) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._due: list[_Due] = []

    def add(self, name: str, options: FaultOptions, times: int | None = 1, path: str = "") -> None:
        """Spoil the next ``times`` answers under ``path``; all of them where ``times`` is None.

        Raises:
            ConfigurationError: there is no such fault.
        """
        if name not in self._table:
            raise unknown("fault", name, self._table)
        with self._lock:
            self._due.append(_Due(name, options, times, path))

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._due.clear()

    def next(self, route: str) -> tuple[str, FaultOptions] | None:
        """The name and options of the fault for an answer at ``route``, if one is due."""
        if not self._due:
            return None
        with self._lock:
            due = next((due for due in self._due if route.startswith(due.path)), None)
            if due is None:
                return None
            if due.times is not None:
                due.times -= 1
                if due.times <= 0:
                    self._due.remove(due)
            return due.name, due.options

    def spoil(self, name: str, spoilt: Spoilt) -> ASGIApp:
        """The answer that the fault ``name`` gives."""
        return self._table[name](spoilt)
