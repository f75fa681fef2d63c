"""Tokens: requests, client authentication, cache, single flight, accounts, and the providers that join them.

Words of this package:

- rejected: said of a token that the API refused in a call.
- fresh: said of a token before ``fresh_until``. From then on, until it expires, it is due: usable, but to be replaced.
- unchanged: said of a rejected token that the token endpoint returned again. New calls use it.
- fetch: the way to one new token, with all attempts and pauses. Callers start it or join it.
- lost: said of a fetch that did not end by its deadline, because its process or event loop was stopped.
- removed: said of a token that left the cache. :mod:`.shared` calls a token dropped that no process may use.
"""
