"""What the shells need of an HTTP library: httpx and httpx2 have distinct classes of the same shape."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, TypeVar

from ..pipeline import RequestLike, ResponseLike


class Request(RequestLike, Protocol):
    """A request whose headers the shells swap while it is sent."""

    headers: Any
    stream: Any


class Response(ResponseLike, Protocol):
    """A response whose body the shells may put back after a look at its beginning."""

    stream: Any
    extensions: Any


RequestT = TypeVar("RequestT", bound=Request)
ResponseT = TypeVar("ResponseT", bound=Response)
_Sent_contra = TypeVar("_Sent_contra", bound=Request, contravariant=True)
_Received_co = TypeVar("_Received_co", bound=Response, covariant=True)


class SyncInner(Protocol[_Sent_contra, _Received_co]):
    """Any sync transport of the library."""

    def handle_request(self, request: _Sent_contra) -> _Received_co: ...
    def __enter__(self) -> Any: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
    def close(self) -> None: ...


class AsyncInner(Protocol[_Sent_contra, _Received_co]):
    """Any async transport of the library."""

    async def handle_async_request(self, request: _Sent_contra) -> _Received_co: ...
    async def __aenter__(self) -> Any: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
    async def aclose(self) -> None: ...


class HTTPLibrary(Protocol):
    """The module itself, ``httpx`` or ``httpx2``: the public names that are needed here."""

    @property
    def Request(self) -> Any: ...  # noqa: N802 - the library's own name, as are these
    @property
    def ByteStream(self) -> Any: ...  # noqa: N802
    @property
    def SyncByteStream(self) -> Any: ...  # noqa: N802
    @property
    def AsyncByteStream(self) -> Any: ...  # noqa: N802
    @property
    def Timeout(self) -> Any: ...  # noqa: N802
    @property
    def Limits(self) -> Any: ...  # noqa: N802
    @property
    def create_ssl_context(self) -> Any: ...
    @property
    def TransportError(self) -> type[Exception]: ...  # noqa: N802
