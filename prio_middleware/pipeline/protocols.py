"""Protocols of pipeline components, and of the requests and responses that their hooks get.

A component implements :class:`RequestHook`, :class:`ResponseHook` or :class:`SendObserver`, or several of them. No hook does
I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .exchange import Exchange, Verdict


class URLLike(Protocol):
    """URL of a request. ``httpx.URL`` and ``httpx2.URL`` satisfy it."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def raw_host(self) -> bytes: ...
    @property
    def port(self) -> int | None: ...
    @property
    def path(self) -> str: ...
    def join(self, url: str, /) -> URLLike: ...


class RequestLike(Protocol):
    """Request of the caller, ``httpx.Request`` or ``httpx2.Request``. Read-only, except for own keys in ``extensions``."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> URLLike: ...
    @property
    def extensions(self) -> MutableMapping[str, Any]: ...


class ResponseLike(Protocol):
    """Response of the server. Do not read its body: ``exchange.refusal`` holds the fields that the transport read of it."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class RequestHook(Protocol):
    """Component that sees each request before it is sent."""

    def on_request(self, exchange: Exchange, /) -> None:
        """Write to ``exchange.headers``, or raise a :class:`PolicyError` to block the request."""


class ResponseHook(Protocol):
    """Component that sees each response before the caller gets it.

    Name the statuses whose bodies the hook needs in the class attribute ``refusal_statuses``, for example
    ``frozenset({401, 403})``. A hook that returns ``REAUTHENTICATE`` belongs before the token provider.
    """

    def on_response(self, exchange: Exchange, response: ResponseLike, /) -> Verdict | None:
        """Return the verdict on the response. None means ``DELIVER``."""


class SendObserver(Protocol):
    """Component that sees every request that leaves through the client's transports.

    These are first attempts, retries after re-authentication, requests that bypass the pipeline, and token requests.
    """

    def before_send(self, request: RequestLike, /, *, for_token: bool) -> None:
        """Run directly before the request is sent. Raise a :class:`PolicyError` to block it, unless ``for_token`` is True."""

    def after_send(self, request: RequestLike, status: int | None, /) -> None:
        """Run after the request. ``status`` is None if no response came: an error, or the caller was cancelled."""


OnRequest = Callable[["Exchange"], None]
OnResponse = Callable[["Exchange", ResponseLike], "Verdict | None"]
