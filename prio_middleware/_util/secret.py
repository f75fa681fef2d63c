"""Strings that are never printed."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import NoReturn, Self


class Secret:
    """Secret or token. It prints as ``Secret('**')``; only :meth:`reveal` returns the text.

    It compares in constant time, and cannot be pickled, because a pickle contains the plain text.

    Raises:
        TypeError: on pickling.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text. Call it where the text is used, and do not store the result in a variable."""
        return self._text

    def _bytes(self) -> bytes:
        # Environment variables that are not UTF-8 contain surrogates, and the error of a strict encoding would show the text.
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

    def __getstate__(self) -> NoReturn:
        # For pickle, and for serializers that read the state themselves.
        raise TypeError(
            "A secret cannot be pickled: the pickle would contain the plain text. "
            "Pass the name of the settings file or environment variables instead, and load the settings in the other process."
        )


class Unpicklable:
    """Base of objects that hold plain credentials.

    Raises:
        TypeError: on pickling.
    """

    __slots__ = ()

    def __getstate__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} cannot be pickled: the pickle would hold a credential unencrypted.")


RECENT_LIMIT = 32  # Secrets that :class:`RecentSecrets` keeps.

RECENT_CHARACTERS = 20 * 1024
"""Characters of them, in all: more than the longest token. The latest secret is kept whatever its length."""


class RecentSecrets:
    """The secrets and tokens that a client used last, to be searched for in texts from servers. Its ``repr`` shows none."""

    __slots__ = ("_secrets",)

    def __init__(self) -> None:
        self._secrets: tuple[Secret, ...] = ()

    def add(self, *secrets: Secret) -> None:
        """Keep ``secrets`` as the latest ones. Beyond the limits, the oldest and the longest of the others leave."""
        kept = [*dict.fromkeys([*(secret for secret in self._secrets if secret not in secrets), *secrets])][-RECENT_LIMIT:]
        while len(kept) > 1 and sum(map(_length, kept)) > RECENT_CHARACTERS:
            kept.remove(max(kept[:-1], key=_length))
        self._secrets = tuple(kept)  # One step, so that other threads see the old ones or the new ones.

    def __iter__(self) -> Iterator[Secret]:
        return iter(self._secrets)

    def __repr__(self) -> str:
        return f"<RecentSecrets {len(self._secrets)}>"


def _length(secret: Secret) -> int:
    return len(secret.reveal())
