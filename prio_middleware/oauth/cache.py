"""In-memory cache of the tokens of one provider."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from .access_token import AccessToken, TokenOptions

CACHE_LIMIT: Final = 1024
"""Number of tokens that one provider keeps."""


class TokenCache:
    """A bounded number of tokens of one provider: approximately those that were used last.

    Every request calls ``lookup``, a plain ``dict.get`` that records nothing. Uses are noticed by an inverted second-chance
    rule (CLOCK). If more than half of the limit are kept, the oldest of the newer half leaves ``lookup`` but stays in ``get``.
    The next use of such a token misses once, finds it by ``get``, and puts it back into ``lookup``. A token that is still out
    of ``lookup`` when its turn to be evicted comes was not used meanwhile.

    Each change is one atomic step of a dictionary: there is no lock that a fork could leave locked. After a change, the same
    thread brings ``lookup`` into line with what is kept.

    Args:
        limit: number of tokens that are kept, at least 1.
    """

    _older: OrderedDict[TokenOptions, None] = OrderedDict()  # noqa: RUF012 - stays empty: most caches never need their own

    def __init__(self, limit: int = CACHE_LIMIT) -> None:
        self._limit = max(limit, 1)
        self._tokens: dict[TokenOptions, AccessToken] = {}
        self._used: dict[TokenOptions, AccessToken] = {}
        self._newer: OrderedDict[TokenOptions, None] = OrderedDict()
        self.lookup = self._used.get

    def get(self, key: TokenOptions) -> AccessToken | None:
        """Return the token for ``key``, and count that as a use of it."""
        token = self._tokens.get(key)
        if token is not None and key not in self._used:
            self._update_lookup(key)
        return token

    def put(self, key: TokenOptions, token: AccessToken, now: float) -> int:
        """Keep ``token``, unless it has expired or a newer one is cached. Return the number of evicted tokens."""
        if token.expires_at <= now:
            return 0
        known = self._tokens.get(key)
        if known is None or known.serial < token.serial:
            self._tokens[key] = token
            self._update_lookup(key)
        if key not in self._newer and key not in self._older:
            self._newer[key] = None
            self._age()
        return self._evict()

    def drop(self, token: AccessToken) -> list[TokenOptions]:
        """Drop ``token`` if it is still the current one of its key. Return the keys that it was for."""
        dropped: list[TokenOptions] = []
        for key, known in list(self._tokens.items()):
            if known is token:
                dropped.append(key)
                found = self._tokens.pop(key, token)
                if found is not token:  # A newer one came in between.
                    self._tokens.setdefault(key, found)
                self._update_lookup(key)
        return dropped

    def drop_id(self, token_id: str) -> list[TokenOptions]:
        """Drop the token with that id. Return the keys that it was for."""
        return [key for token in list(self._tokens.values()) if token.token_id == token_id for key in self.drop(token)]

    def clear(self) -> list[TokenOptions]:
        """Drop every token. Return the keys that had one."""
        keys = list(self._tokens)
        for kept in (self._tokens, self._used, self._newer, self._older):
            kept.clear()
        return keys

    def longest_lived(self) -> TokenOptions | None:
        """Return the key whose token expires last."""
        return max(list(self._tokens.items()), key=lambda entry: entry[1].expires_at, default=(None, None))[0]

    def __len__(self) -> int:
        return len(self._tokens)

    def _update_lookup(self, key: TokenOptions) -> None:
        """Let ``lookup`` find the kept token of ``key``, even if another thread changes it meanwhile."""
        while True:
            token = self._tokens.get(key)
            if token is None:
                self._used.pop(key, None)
                self._newer.pop(key, None)
                self._older.pop(key, None)
            else:
                self._used[key] = token
            if self._tokens.get(key) is token:
                return

    def _age(self) -> None:
        """Take tokens beyond the newer half out of ``lookup``: their next use is a miss, and is noticed."""
        while len(self._newer) > max(self._limit // 2, 1) and (key := _pop_first(self._newer)):
            vars(self).setdefault("_older", OrderedDict())[key] = None
            self._used.pop(key, None)

    def _evict(self) -> int:
        evicted = 0
        # If none is older, another thread has put a token, and is about to queue its key.
        while len(self._tokens) > self._limit and (key := _pop_first(self._older)):
            if key in self._used:
                self._newer[key] = None
                self._age()
            else:
                evicted += self._tokens.pop(key, None) is not None
                self._update_lookup(key)
        return evicted


def _pop_first(queue: OrderedDict[TokenOptions, None]) -> TokenOptions | None:
    """Remove and return the first key in one step, or return None if another thread was quicker."""
    try:
        return queue.popitem(last=False)[0]
    except KeyError:
        return None
