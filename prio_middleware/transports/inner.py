"""Inner transports: protocols of the HTTP libraries, shared use of one transport, and send observers."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any, Protocol, Self, TypeVar
from weakref import WeakSet, WeakValueDictionary

from .._util.secret import Unpicklable
from ..pipeline.protocols import RequestLike, ResponseLike, SendObserver


class Request(RequestLike, Protocol):
    """Request of the caller. The transports send a copy with headers of its own."""

    headers: Any
    stream: Any

    def read(self) -> bytes: ...


class Response(ResponseLike, Protocol):
    """Response whose body may be replaced after its beginning was read."""

    stream: Any
    extensions: Any
    request: Any


RequestT = TypeVar("RequestT", bound=Request)
ResponseT = TypeVar("ResponseT", bound=Response)
_Sent_contra = TypeVar("_Sent_contra", bound=Request, contravariant=True)
_Received_co = TypeVar("_Received_co", bound=Response, covariant=True)


class SyncInner(Protocol[_Sent_contra, _Received_co]):
    """Sync transport of either library."""

    def handle_request(self, request: _Sent_contra) -> _Received_co: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *args: Any, **kwargs: Any) -> None: ...  # noqa: PYI036 - any signature
    def close(self) -> None: ...


class AsyncInner(Protocol[_Sent_contra, _Received_co]):
    """Async transport of either library."""

    async def handle_async_request(self, request: _Sent_contra) -> _Received_co: ...
    async def __aenter__(self) -> Any: ...
    async def __aexit__(self, *args: Any, **kwargs: Any) -> None: ...  # noqa: PYI036 - any signature
    async def aclose(self) -> None: ...


InnerT = TypeVar("InnerT")


class HTTPLibrary(Protocol):
    """Module ``httpx`` or ``httpx2``, with the public names that are needed here."""

    __version__: Any
    __name__: str
    Client: Any
    AsyncClient: Any
    HTTPTransport: Any
    AsyncHTTPTransport: Any
    Request: Any
    ByteStream: Any
    SyncByteStream: Any
    AsyncByteStream: Any
    Timeout: Any
    Limits: Any
    create_ssl_context: Any

    # Properties, because a mutable attribute would have to have exactly this type.
    @property
    def TransportError(self) -> type[Exception]: ...  # noqa: N802 - the library's own name
    @property
    def UnsupportedProtocol(self) -> type[Exception]: ...  # noqa: N802 - the library's name


class InnerUse:
    """Use of an inner transport that other transports may share.

    The use begins with this object, and ends with :meth:`leave`, or when the object is garbage-collected. Inner transports are
    compared by identity, so they need not be hashable or weakly referenceable.
    """

    def __init__(self, inner: object) -> None:
        self._entries = 0
        with _lock():
            users = _USERS.get(id(inner))
            if users is None:
                users = _USERS[id(inner)] = _Users(inner)
            self._users = users
            users.open.add(self)

    @property
    def lock(self) -> threading.RLock:
        """Lock under which uses begin and end."""
        return _lock()

    @property
    def is_open(self) -> bool:
        """True until this use has ended."""
        with _lock():
            return self in self._users.open

    @property
    def is_entered(self) -> bool:
        """True if a user entered the inner transport, and it is still open."""
        return self._users.is_entered

    def join(self) -> None:
        """Begin again after :meth:`leave`."""
        with _lock():
            self._users.open.add(self)

    def enter(self) -> None:
        """Count a ``with`` block. Several clients may enter the same transport."""
        with _lock():
            self._entries += 1
            self._users.open.add(self)
            self._users.is_entered = True

    def leave(self) -> bool:
        """End one ``with`` block, and the use with the last one. Return True if the inner transport is to be closed."""
        with _lock():
            self._entries = max(0, self._entries - 1)
            if self._entries or self not in self._users.open:
                return False
            self._users.open.discard(self)
            if self._users.open:
                return False
            self._users.is_entered = False
            return True


class _Users:
    """Open users of one inner transport. The reference keeps it alive, so that its id is not reused."""

    def __init__(self, inner: object) -> None:
        self.inner = inner
        self.open: WeakSet[InnerUse] = WeakSet()
        self.is_entered = False


_USERS: WeakValueDictionary[int, _Users] = WeakValueDictionary()  # Users by the id of their inner transport.
_LOCKS: dict[int, threading.RLock] = {}  # Locks by process id: a fork may copy a lock while another thread holds it.


def _lock() -> threading.RLock:
    # Reentrant: the garbage collector may run inside, and a finalizer may close another client.
    return _LOCKS.setdefault(os.getpid(), threading.RLock())


class Observation(Unpicklable):
    """Context in which ``request`` is sent, and ``observers`` are told before and after. The request may hold a credential."""

    def __init__(self, observers: Sequence[SendObserver], request: RequestLike, *, for_token: bool = False) -> None:
        self._observers, self._request, self._for_token = observers, request, for_token
        self._told: list[SendObserver] = []
        self._status: int | None = None

    def __enter__(self) -> Self:
        try:
            for observer in reversed(self._observers):
                observer.before_send(self._request, for_token=self._for_token)
                self._told.append(observer)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self._told:
            try:
                self._told.pop().after_send(self._request, self._status)
            finally:
                self.__exit__()

    def note(self, response: ResponseT) -> ResponseT:
        """Keep the status of ``response``, and return the response."""
        self._status = response.status_code
        return response
