"""Headers with static credentials, such as an API key, for allowed origins only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from .._util.clock import Clock, current_clock
from .._util.secret import RecentSecrets, Secret
from ..errors import ConfigurationError
from ..oauth.static_token import LOOK_SECONDS
from ..oauth.token_request import SHORTEST_SECRET_PARAM, headers_problem
from ..pipeline.exchange import Exchange

HeaderPairs = tuple[tuple[str, Secret], ...]

# Headers of the connection, which cannot be set.
RESERVED: Final = ("Host", "Content-Length", "Transfer-Encoding", "Connection")


class StaticHeaders:
    """Component that adds headers with static credentials, such as an API key. Its ``repr`` does not show their values.

    After the origin guard, they go to allowed origins only; headers of the HTTP library's client go to every origin. A header
    that the caller's request already has is kept.

    Args:
        headers: names and values.
        changed: returns the present headers of a file, or None if they have not changed. Called at most once a second.
        client: the configured name of the client, for errors.
        clock: monotonic clock, in seconds; default: the clock of the package.

    Raises:
        ConfigurationError: a header cannot be sent.
    """

    def __init__(
        self,
        headers: Mapping[str, str | Secret] | Iterable[tuple[str, str | Secret]],
        *,
        changed: Callable[[], HeaderPairs | None] | None = None,
        client: str = "default",
        clock: Clock | None = None,
    ) -> None:
        pairs = tuple((name, Secret(value) if isinstance(value, str) else value) for name, value in dict(headers).items())
        problem = headers_problem(pairs, RESERVED)
        if problem:
            raise ConfigurationError(f"The headers cannot be sent: {problem}.", client=client)
        self._recent = RecentSecrets()
        self._use(pairs)
        self._changed = changed
        self._clock = clock or current_clock()
        self._next_look = self._clock() + LOOK_SECONDS

    def on_request(self, exchange: Exchange) -> None:
        """Add the headers."""
        if self._changed is not None and self._clock() >= self._next_look:
            self._next_look = self._clock() + LOOK_SECONDS
            if headers := self._changed():
                self._use(headers)
        present = {name.lower() for name in exchange.headers}
        for name, value in self._headers:
            if name.lower() not in present:
                exchange.headers[name] = value.reveal()

    @property
    def recent_secrets(self) -> tuple[Secret, ...]:
        """The values of the last headers: no error repeats them if a server echoes them. Short ones may be words."""
        return tuple(self._recent)

    def _use(self, headers: HeaderPairs) -> None:
        self._recent.add(*(value for _, value in headers if len(value.reveal()) >= SHORTEST_SECRET_PARAM))
        self._headers = headers

    def __repr__(self) -> str:
        return f"<StaticHeaders {', '.join(name for name, _ in self._headers)} **>"


def parse_headers(text: str) -> HeaderPairs | str:
    """Return the headers in ``text``, one ``Name: value`` a line, or the problem, which repeats no part of ``text``."""
    pairs: list[tuple[str, Secret]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon:
            return f"line {number} has no colon: expected one header a line, as Name: value"
        pairs.append((name.strip(), Secret(value.strip(" \t"))))
    if not pairs:
        return "there is no header: expected one header a line, as Name: value"
    return headers_problem(tuple(pairs), RESERVED) or tuple(pairs)
