"""A string that does not show itself."""

from __future__ import annotations

import hmac
from typing import NoReturn, Self


class Secret:
    """A secret, or a token: prints as ``Secret('**')``; only :meth:`reveal` gives the text.

    It refuses to be pickled, because a pickle holds the text in the clear; it compares in constant time.

    Raises:
        TypeError: on pickling, naming what to do instead.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Call it where the text is used, and keep the result in no variable."""
        return self._text

    def _bytes(self) -> bytes:
        # An environment variable that is no UTF-8 holds surrogates; the error of a strict encoding would show them all.
        return self._text.encode("utf-8", "surrogatepass")

    def __repr__(self) -> str:
        return "Secret('**')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._bytes(), other._bytes())

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "A secret cannot be pickled: the pickle would hold it in the clear. "
            "Send the settings' file name or environment instead, and load them where they are used."
        )
