"""Asking a status page. Whoever answers may be anybody: what is read is bounded, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from ...bounded import json_object
from ...errors import ConfigurationError, PrioError
from ...origins import parse_origin
from ...plain_http import insecure_url, is_loopback
from ...status.answers import DATA
from ...status.model import Status
from ..unanswered import why

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

LIMIT = 4 * 1024 * 1024
"""Bytes of an answer that are read: a page with a thousand clients has fewer."""

PATIENCE = 5.0
"""Seconds to wait for an answer, or for its next part."""

BIGGEST = 1e15
"""Numbers beyond it, endless ones included, are no counts and no times."""

_NO_PAGE = "Check the address: it is where the status page is mounted, https://host/status say."
_LOGIN = "If a login stands before the page, give what it asks for: --header @FILE."

_schema: TypeAdapter[Status] = TypeAdapter(Status)


class Told(NamedTuple):
    """What a page said: as data, and as the document that it was."""

    status: Status
    document: dict[str, object]


class Source:
    """A status page somewhere.

    Args:
        url: where it is mounted.
        headers: to send along: what a login before it asks for.

    Raises:
        ConfigurationError: that is no URL of a page.
        InsecureTransportError: headers would travel in the clear.
    """

    def __init__(self, url: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        own = list(headers)
        problem = _problem(url, sends_headers=bool(own))
        if problem:
            raise problem
        self.url = _data_url(url)
        self._client = httpx.Client(headers=[("Accept-Encoding", "identity"), *own], timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._client.close()

    def ask(self) -> Told | PrioError:
        """What the page says now, or why it says nothing."""
        try:
            with self._client.stream("GET", self.url) as response:
                body = _head(response.iter_raw()) if response.is_success else b""
        except httpx.HTTPError as error:
            problem, remedy = why(error)
            return PrioError(problem, url=self.url, remedy=remedy)
        if not response.is_success:
            remedy = _LOGIN if response.status_code in {401, 403} or response.is_redirect else _NO_PAGE
            return PrioError(f"The answer was {response.status_code}.", url=self.url, remedy=remedy)
        return read(body) or PrioError("The answer is no status.", url=self.url, remedy=_NO_PAGE)


def read(body: bytes) -> Told | None:
    """What a page says, or None where it is no such page."""
    document = json_object(body)
    try:
        if document is None or not _is_sane(document):
            return None
        return Told(_schema.validate_python(document), document)
    except (ValidationError, RecursionError):
        return None


def _problem(url: str, *, sends_headers: bool) -> PrioError | None:
    origin = parse_origin(url)
    if isinstance(origin, ConfigurationError):
        return origin
    if origin.scheme not in {"http", "https"}:
        return ConfigurationError("A status page is at an http:// or https:// URL.", url=url, remedy=_NO_PAGE)
    return insecure_url(url, [origin.host] if is_loopback(origin.host) else []) if sends_headers else None


def _data_url(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(path=parts.path.removesuffix(DATA).rstrip("/") + DATA, query="", fragment="").geturl()


def _head(chunks: Iterator[bytes]) -> bytes:
    read = b""
    for chunk in chunks:
        read += chunk
        if len(read) > LIMIT:
            return b""
    return read


def _is_sane(value: Any) -> bool:
    match value:
        case dict():
            return all(map(_is_sane, value.values()))
        case list():
            return all(map(_is_sane, value))
        case int() | float():
            return abs(value) < BIGGEST
        case _:
            return True
