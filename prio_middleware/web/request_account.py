"""Account of the inbound request: the default of all calls that its handler makes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Generic, TypeVar

from ..errors import ConfigurationError

R = TypeVar("R")
T = TypeVar("T")


class RequestAccount(Generic[R]):
    """Function that returns the account of the inbound request which is being served, or None for the client's own.

    A call outside a request fails: the client's own account would be a silent mistake in an application with several.
    """

    def __init__(self, function: Callable[[R], str | None]) -> None:
        self._function = function
        self._request: ContextVar[R | None] = ContextVar("prio_request", default=None)

    def __call__(self) -> str | None:
        """Return the account. Raise ConfigurationError if no request is being served."""
        request = self._request.get()
        if request is None:
            raise outside_request()
        return self._function(request)

    @contextmanager
    def serving(self, request: R) -> Generator[None]:
        """Serve ``request`` within the block."""
        before = self._request.get()
        self._request.set(request)
        try:
            yield
        finally:
            self._request.set(before)


def serving(account: RequestAccount[R] | None, request: R) -> AbstractContextManager[None]:
    """Return a context in which ``request`` is served."""
    return nullcontext() if account is None else account.serving(request)


def parts(account: RequestAccount[R], request: R, body: Iterator[T]) -> Iterator[T]:
    """Yield the parts of a body that the application makes after it has returned."""
    while True:
        with account.serving(request):
            part = next(body, None)
        if part is None:
            return
        yield part


async def aparts(account: RequestAccount[R], request: R, body: AsyncIterator[T]) -> AsyncIterator[T]:
    """Do the same for an asynchronous body."""
    while True:
        with account.serving(request):
            part = await anext(body, None)
        if part is None:
            return
        yield part


def outside_request() -> ConfigurationError:
    """Return the error of a call that names no account, outside a request."""
    return ConfigurationError(
        "The call names no account, and there is no inbound request to take it from.",
        remedy="Name it: extensions=token_extensions(account=...). In a thread of your own, run the call with "
        "contextvars.copy_context().run.",
    )
