"""Where tokens are kept: in memory."""

from __future__ import annotations

from .token import AccessToken, TokenOptions


class MemoryStore:
    """The tokens of one provider, of which it keeps a bounded number.

    Looking one up is a plain ``dict.get``: it is what every call does. Each change is one atomic step of the dictionary, so
    there is no lock that a fork could leave locked.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._tokens: dict[TokenOptions, AccessToken] = {}
        self.get = self._tokens.get

    def put(self, key: TokenOptions, token: AccessToken, now: float) -> None:
        """Keep ``token``, unless a newer one is there already or it is good for one call only."""
        if token.expires_at <= now:
            return
        known = self._tokens.get(key)
        if known is None or known.serial < token.serial:
            self._tokens[key] = token
        if len(self._tokens) > self._limit:
            self._evict()

    def drop(self, token: AccessToken) -> list[TokenOptions]:
        """Forget ``token``, if it is still the current one of its key. Returns the keys that it was for."""
        dropped: list[TokenOptions] = []
        for key, known in list(self._tokens.items()):
            if known is token:
                dropped.append(key)
                found = self._tokens.pop(key, token)
                if found is not token:  # A newer one came in between.
                    self._tokens.setdefault(key, found)
        return dropped

    def drop_generation(self, generation: str) -> list[TokenOptions]:
        """Forget the token of that generation. Returns the keys that it was for."""
        return [key for token in list(self._tokens.values()) if token.generation == generation for key in self.drop(token)]

    def clear(self) -> list[TokenOptions]:
        """Forget every token. Returns the keys that had one."""
        keys = list(self._tokens)
        self._tokens.clear()
        return keys

    def longest(self) -> TokenOptions | None:
        """The key whose token expires last."""
        return max(list(self._tokens.items()), key=lambda entry: entry[1].expires_at, default=(None, None))[0]

    def __len__(self) -> int:
        return len(self._tokens)

    def _evict(self) -> None:
        soonest = min(list(self._tokens.items()), key=lambda entry: entry[1].expires_at)
        self._tokens.pop(soonest[0], None)
