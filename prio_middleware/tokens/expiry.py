"""How long a token is good for, and how long before its end a new one is due."""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigurationError

_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


_draw = random.SystemRandom().random  # It has no state that a fork would copy.


class ProcessDraw:
    """A random number for each process, the same for as long as it runs. A forked child draws its own.

    Args:
        draw: a number from 0 to below 1.
    """

    def __init__(self, draw: Callable[[], float] = _draw) -> None:
        self._draw = draw
        self._pid, self._drawn = 0, 0.0

    def __call__(self) -> float:
        """From 0 to below 1."""
        if self._pid != os.getpid():
            self._drawn = self._draw()
            self._pid = os.getpid()
        return self._drawn


draw_of_this_process = ProcessDraw()


@dataclass(frozen=True, slots=True)
class ExpiryPolicy:
    """The rules that turn ``expires_in`` (RFC 6749 §5.1) into a lifetime and a leeway. All but the fraction are seconds.

    Attributes:
        default_lifetime: where the server does not say.
        max_lifetime: however much longer the server says.
        leeway_fraction: the part of its lifetime before a token's end when a new one is due.
        leeway_max: the most that this part may come to.
        jitter: the part of the leeway that a process may go without, from 0 to below 1: processes that began together do not
            refresh in step then.
        draw: how much of that part this process goes without, from 0 to 1.

    Raises:
        ConfigurationError: a time is not positive and finite (the leeway may be 0), or the fraction is not in 0 to below 1.
    """

    default_lifetime: float = 300.0
    max_lifetime: float = 86_400.0
    leeway_fraction: float = 0.1
    leeway_max: float = 30.0
    jitter: float = 0.0
    draw: Callable[[], float] = draw_of_this_process

    def __post_init__(self) -> None:
        for name, fits, expected in (
            ("default_lifetime", 0 < self.default_lifetime < math.inf, "a positive number of seconds"),
            ("max_lifetime", 0 < self.max_lifetime < math.inf, "a positive number of seconds"),
            ("leeway_fraction", 0 <= self.leeway_fraction < 1, "a fraction from 0 to below 1"),
            ("jitter", 0 <= self.jitter < 1, "a fraction from 0 to below 1"),
            ("leeway_max", 0 <= self.leeway_max < math.inf, "a number of seconds, or 0"),
        ):
            if not fits:
                raise ConfigurationError(f"{name} is {getattr(self, name)}; expected is {expected}.")

    def lifetime(self, expires_in: object) -> float | None:
        """Seconds a token is good for; 0 for this call only; None where ``expires_in`` is no number.

        Servers send integers, but also floats, either as a string, ``null`` or nothing.
        """
        seconds = self.default_lifetime if expires_in is None else _number(expires_in)
        return None if seconds is None else float(min(max(seconds, 0), self.max_lifetime))

    def leeway(self, lifetime: float) -> float:
        """Seconds before its end when a token of this lifetime is to be replaced: always less than that lifetime, or 0."""
        return min(lifetime * self.leeway_fraction, self.leeway_max) * (1 - self.jitter * self.draw())


def _number(value: object) -> int | float | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case str():
            return float(value) if _NUMBER.fullmatch(value.strip()) else None
        case _:
            return None
