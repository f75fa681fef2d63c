"""API key in the query of requests to allowed origins. Only the request that is sent has it, and no text of that shows it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Final
from urllib.parse import quote

from .._util.clock import Clock, current_clock
from .._util.secret import RecentSecrets, Secret
from ..errors import ConfigurationError
from ..oauth.static_token import LOOK_SECONDS
from ..pipeline.exchange import Exchange

PARAMETER: Final = "key"  # Parameter of Prio's API, version 3.5, in production.


class QueryKey:
    """Component that adds an API key to the query. Its ``repr`` does not show the key.

    The origin guard stands before it, so no other origin gets the key. The URL of the caller's request stays as it is, and so
    do redirects, errors and logs. A request that has the parameter already keeps it.

    Args:
        key: the API key.
        parameter: the name of the parameter.
        changed: returns the present key of a file, or None if it has not changed. Called once in a second at most.
        client: the configured name of the client, for errors.
        clock: seconds of a monotonic clock.

    Raises:
        ConfigurationError: the key is empty, or contains a control character.
    """

    changes_query: ClassVar[bool] = True
    """Tells the transports that the query of the sent request may differ from the caller's."""

    def __init__(
        self,
        key: str | Secret,
        parameter: str = PARAMETER,
        *,
        changed: Callable[[], Secret | None] | None = None,
        client: str = "default",
        clock: Clock | None = None,
    ) -> None:
        key = Secret(key) if isinstance(key, str) else key
        if problem := key_problem(key):
            raise ConfigurationError(f"The API key cannot be sent: {problem}.", client=client)
        self._name = quote(parameter, safe="")
        self._recent = RecentSecrets()
        self._use(key)
        self._changed = changed
        self._clock = clock or current_clock()
        self._next_look = self._clock() + LOOK_SECONDS

    @property
    def recent_secrets(self) -> tuple[Secret, ...]:
        """The last keys: no error repeats them if a server echoes them."""
        return tuple(self._recent)

    def on_request(self, exchange: Exchange) -> None:
        """Add the key, unless the caller's query has the parameter."""
        if self._changed is not None and self._clock() >= self._next_look:
            self._next_look = self._clock() + LOOK_SECONDS
            if key := self._changed():
                self._use(key)
        request: Any = exchange.request
        if not any(part.partition(b"=")[0] == self._name.encode() for part in request.url.query.split(b"&")):
            exchange.further_query = self._query

    def _use(self, key: Secret) -> None:
        self._recent.add(key)
        self._query = Secret(f"{self._name}={quote(key.reveal(), safe='')}")

    def __repr__(self) -> str:
        return f"<QueryKey {self._name}=**>"


def key_problem(key: Secret) -> str | None:
    """Return the problem of an API key, without any of its text, or None."""
    if not key.reveal():
        return "it is empty"
    return None if key.reveal().isprintable() else "it contains a line break or another control character"


def with_query(url: Any, query: Secret) -> Any:
    """Return ``url``, of either library, with a further query that its text and ``repr`` do not show.

    The libraries' transports read ``raw_path`` and ``query``. Instrumentation, logs and errors read the text.
    """
    base: Any = type(url)
    made = object.__new__(_class_of(base))
    made.__dict__ = {**url.__dict__, "further": query}
    return made


@functools.cache
def _class_of(base: Any) -> Any:
    class URL(base):  # type: ignore[misc]  # which library's is known at run time only
        further: Secret

        @property
        def query(self) -> bytes:
            own = super().query
            return (own + b"&" if own else b"") + self.further.reveal().encode("ascii")

        @property
        def raw_path(self) -> bytes:
            path: bytes = super().raw_path
            return path.partition(b"?")[0] + b"?" + self.query

    return URL
