"""Subjects of the measurements: packages, used as their documentation recommends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from .api import Style
from .place import Place

Colour = Literal["sync", "async"]
COLOURS: tuple[Colour, ...] = ("sync", "async")


class Client(NamedTuple):
    """A client in use.

    Attributes:
        call: calls a path below the API's root; the status, or an awaitable of it.
        close: closes it; nothing, or an awaitable.
    """

    call: Callable[[str], Any]
    close: Callable[[], Any]


Maker = Callable[[Place], Client]


@dataclass(frozen=True, slots=True)
class Subject:
    """A package, or a floor: the same HTTP client with a fixed header.

    Attributes:
        name: what tables call it.
        stack: the HTTP library below.
        sync: makes a client, or says why there is none.
        asynchronous: the same, for asyncio.
        hold: makes one credential (the argument numbers it) that holds a token, or says why there is none.
        loads: the statement that imports it.
        leeway: seconds before its end at which a token is always renewed, if it is not configurable.
        reacts_to: the ways of refusing after which it asks for a new token, at once or for the next call.
        role: what it is to the comparison.
        only: the one scenario it takes part in; None for all.
    """

    name: str
    stack: str
    sync: Maker | str
    asynchronous: Maker | str
    hold: Callable[[int], Any] | str = "not asked"
    loads: str = ""
    leeway: float = 0.0
    reacts_to: frozenset[Style] = frozenset()
    role: Literal["ours", "peer", "floor"] = "peer"
    only: str | None = None

    def maker(self, colour: Colour) -> Maker | str:
        """Makes a client of that colour, or says why there is none."""
        return self.sync if colour == "sync" else self.asynchronous

    @property
    def label(self) -> str:
        """The name, with the HTTP library below."""
        return f"{self.name} ({self.stack})"
