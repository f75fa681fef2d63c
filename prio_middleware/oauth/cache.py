"""In-memory cache of the tokens of one provider."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from .access_token import AccessToken, TokenOptions

CACHE_LIMIT: Final = 1024  # Number of tokens that one provider keeps.


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

    def get(self, options: TokenOptions) -> AccessToken | None:
        """Return the token for ``options``, and count that as a use of it."""
        token = self._tokens.get(options)
        if token is not None and options not in self._used:
            self._update_lookup(options)
        return token

    def put(self, options: TokenOptions, token: AccessToken, now: float) -> int:
        """Keep ``token``, unless it has expired or a newer one is cached. Return the number of evicted tokens."""
        if token.expires_at <= now:
            return 0
        known = self._tokens.get(options)
        if known is None or known.serial < token.serial:
            self._tokens[options] = token
            self._update_lookup(options)
        if options not in self._newer and options not in self._older:
            self._newer[options] = None
            self._age()
        return self._evict()

    def remove(self, token: AccessToken) -> list[TokenOptions]:
        """Remove ``token`` if it is still the current one for its options. Return the options that it was for."""
        removed: list[TokenOptions] = []
        for options, known in list(self._tokens.items()):
            if known is token:
                removed.append(options)
                found = self._tokens.pop(options, token)
                if found is not token:  # A newer one came in between.
                    self._tokens.setdefault(options, found)
                self._update_lookup(options)
        return removed

    def remove_id(self, token_id: str) -> list[TokenOptions]:
        """Remove the token with that id. Return the options that it was for."""
        return [
            options for token in list(self._tokens.values()) if token.token_id == token_id for options in self.remove(token)
        ]

    def clear(self) -> list[TokenOptions]:
        """Remove every token. Return the options that had one."""
        removed = list(self._tokens)
        for kept in (self._tokens, self._used, self._newer, self._older):
            kept.clear()
        return removed

    def longest_lived(self) -> TokenOptions | None:
        """Return the options whose token expires last."""
        return max(list(self._tokens.items()), key=lambda entry: entry[1].expires_at, default=(None, None))[0]

    def __len__(self) -> int:
        return len(self._tokens)

    def _update_lookup(self, options: TokenOptions) -> None:
        """Let ``lookup`` find the kept token of ``options``, even if another thread changes it meanwhile."""
        while True:
            token = self._tokens.get(options)
            if token is None:
                self._used.pop(options, None)
                self._newer.pop(options, None)
                self._older.pop(options, None)
            else:
                self._used[options] = token
            if self._tokens.get(options) is token:
                return

    def _age(self) -> None:
        """Take tokens beyond the newer half out of ``lookup``: their next use is a miss, and is noticed."""
        while len(self._newer) > max(self._limit // 2, 1) and (options := _pop_first(self._newer)):
            vars(self).setdefault("_older", OrderedDict())[options] = None
            self._used.pop(options, None)

    def _evict(self) -> int:
        evicted = 0
        # If none is older, another thread has put a token, and is about to queue its options.
        while len(self._tokens) > self._limit and (options := _pop_first(self._older)):
            if options in self._used:
                self._newer[options] = None
                self._age()
            else:
                evicted += self._tokens.pop(options, None) is not None
                self._update_lookup(options)
        return evicted


def _pop_first(queue: OrderedDict[TokenOptions, None]) -> TokenOptions | None:
    """Remove and return the first item in one step, or return None if another thread was quicker."""
    try:
        return queue.popitem(last=False)[0]
    except KeyError:
        return None
