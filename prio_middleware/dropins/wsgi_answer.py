"""Running a WSGI application whose want of a token is answered with 503, as long as its own answer has not begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from . import unavailable
from .unavailable import UNAVAILABLE

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from .unavailable import Unavailable


def serve(app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse, retry_after: float) -> Iterable[bytes]:
    """Run ``app`` for one request. ``retry_after``: seconds to announce with a 503 where the failure knows of none."""
    answer = _Answer(start_response, retry_after)
    try:
        body = app(environ, answer.start_response)
        if _is_lazy(body, environ):
            return _LazyBody(body, answer)
    except (*UNAVAILABLE, ExceptionGroup) as error:
        refusal = answer.refusal_after(error)
        if refusal is None:
            raise
        return [refusal]
    answer.begin()
    return body


def _is_lazy(body: object, environ: WSGIEnvironment) -> bool:
    """Whether code of the application runs while the body is read. Lists and files stay what they are: servers know them."""
    wrapper = environ.get("wsgi.file_wrapper")
    return not isinstance(body, (list, tuple, wrapper) if isinstance(wrapper, type) else (list, tuple))


class _Answer:
    """The answer to one request. Its head is held back until the body begins: some servers add to a head that is replaced."""

    def __init__(self, start_response: StartResponse, retry_after: float) -> None:
        self._start_response = start_response
        self._retry_after = retry_after
        self._head: tuple[str, list[tuple[str, str]]] | None = None
        self._write: Callable[[bytes], object] | None = None

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        """What the application calls."""
        if self._write:
            return self._start_response(status, headers, exc_info)
        self._head = status, headers
        return self._begin_and_write

    def begin(self) -> None:
        """Give the server the head: from here on there is no other."""
        if self._head:
            self._write = self._start_response(*self._head)
            self._head = None

    def refusal_after(self, error: Unavailable | ExceptionGroup) -> bytes | None:
        """Answer 503 and return the body, if that is what the error calls for and the answer has not begun."""
        failure = unavailable.failure_of(error)
        if failure is None or self._write:
            return None
        unavailable.log(failure)
        headers = unavailable.headers(failure, self._retry_after)
        self._head = f"{unavailable.STATUS} {unavailable.REASON}", list(headers.items())
        self.begin()
        return unavailable.BODY

    def _begin_and_write(self, data: bytes) -> object:
        """What ``start_response`` returns: old applications write with it."""
        self.begin()
        return self._write and self._write(data)


class _LazyBody:
    """A body that the application makes while it is read: the first part may still fail."""

    def __init__(self, body: Iterable[bytes], answer: _Answer) -> None:
        self._chunks = iter(body)
        self._answer = answer
        self.close: Callable[[], object] = getattr(body, "close", lambda: None)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = next(self._chunks, None)
        except (*UNAVAILABLE, ExceptionGroup) as error:
            chunk = self._answer.refusal_after(error)
            if chunk is None:
                raise
            self._chunks = iter(())
            return chunk
        self._answer.begin()
        if chunk is None:
            raise StopIteration
        return chunk
