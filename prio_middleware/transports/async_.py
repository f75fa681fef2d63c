"""Base of the async transports: prepare, send, check the response, re-authenticate once. On asyncio and trio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, Generic, Self

from ..errors import ConfigurationError, PolicyError, PrioError, TokenError, bind
from ..oauth.access_token import DEFAULT_OPTIONS, AccessToken
from ..oauth.token_response import RESPONSE_LIMIT, TokenResponse
from ..pipeline.exchange import REAUTHENTICATE, Exchange
from ..telemetry.providers import StartsFetch
from .base import BaseAuthTransport, read_timeout_of, retry_outcome, without_init
from .bodies import aread_ahead, aread_prefix
from .deadlines import closing_connections
from .inner import AsyncInner, Observation, RequestT, ResponseT

if TYPE_CHECKING:
    from ..oauth.token_request import TokenRequest


# Seconds after its deadline at which a token request is cancelled. The library's own timeouts come first, because they close
# the connection; a cancellation during a TLS handshake does not, nor does one right after a connection was assigned.
CANCEL_MARGIN = 0.25

BUFFERED_READ = 0.05  # Seconds for reading the body of a refusal whose header decides.
# Message of asyncio's RuntimeError if a connection of an ended event loop is used again.
_LOOP_CLOSED: Final = "Event loop is closed"


class BaseAsyncAuthTransport(
    BaseAuthTransport[RequestT, ResponseT, AsyncInner[RequestT, ResponseT]], Generic[RequestT, ResponseT]
):
    """Base of the async transports of both HTTP libraries."""

    async def handle_async_request(self, request: RequestT) -> ResponseT:
        """Send ``request`` through the pipeline.

        Raises:
            PrioError: also an instance of the library's ``TransportError``.
        """
        try:
            exchange = self._admit(request)
            if exchange.options is not None:
                token = self._provider.current(exchange.options, None)
                if token is None:
                    token = None if exchange.use_caller_authorization() else await self._fetch(exchange, None)
                else:
                    self._acquisitions["cached"] += 1
                exchange.token = token
            response = await self._send(exchange, request)
            rejected = exchange.rejected_token
            return response if rejected is None else await self._reauthenticate(exchange, request, response, rejected)
        except PrioError as error:
            failure = self._failure(error, request)
        except RuntimeError as error:
            if str(error) != _LOOP_CLOSED:
                raise
            ended = ConfigurationError(
                "This client has connections of an event loop that has ended, such as that of an earlier asyncio.run().",
                client=self.name,
                url=request.url,
                remedy="Make one client for each event loop: async with async_client() as client, inside the coroutine.",
            )
            failure = self._failure(ended, request)
        raise failure

    async def authenticate(self) -> AccessToken:
        """Fetch a token before the first request, so that wrong credentials show at the start.

        Raises:
            TokenError: no token can be fetched; also an instance of the library's ``TransportError``.
        """
        try:
            with self._telemetry.in_use():
                return self._provider.current(DEFAULT_OPTIONS, None) or await self._provider.aget_token(
                    DEFAULT_OPTIONS, None, self._post
                )
        except PrioError as error:
            failure = bind(error, self.library.TransportError)
        raise failure

    async def start_fetch(self) -> None:
        """Start a token fetch in the background, unless there is a token, a cool-down or a fetch in progress. Do not wait."""
        if isinstance(self._provider, StartsFetch):
            with self._telemetry.in_use():
                await self._provider.astart_fetch(self._post)

    async def __aenter__(self) -> Self:
        if not self._use.is_entered:
            await self.inner.__aenter__()
        self._use.enter()
        self._update_state()
        return self

    async def __aexit__(self, *error: Any, **named: Any) -> None:  # noqa: PYI036 - any signature
        await self._end(lambda: self.inner.__aexit__(*error, **named))

    async def aclose(self) -> None:
        """Stop this client's token fetches, and close the inner transport.

        A fetch goes on if other clients wait for it and it does not need this client's connections. The inner transport stays
        open while another open transport of this package uses it.
        """
        await self._end(self.inner.aclose)

    async def _end(self, close: Callable[[], Awaitable[None]]) -> None:
        is_last = self._leave()
        release = getattr(self._provider, "arelease", None)
        try:
            if release is not None and self._closed:
                import anyio

                with anyio.CancelScope(shield=True):  # Takes a second at most, and the inner transport is still to be closed.
                    await release(self._post, keep=self._keeps_fetches())
        finally:
            if is_last:
                await close()

    async def _fetch(self, exchange: Exchange, rejected: AccessToken | None) -> AccessToken:
        self._reopen()
        with self._telemetry.in_use():
            options = exchange.options or DEFAULT_OPTIONS
            return await self._provider.aget_token(options, rejected, self._post, max_wait=read_timeout_of(exchange.request))

    async def _send(self, exchange: Exchange, request: RequestT) -> ResponseT:
        if not exchange.bypassed:
            for on_request in self._inner_requests:
                on_request(exchange)
        body = request.stream
        sent = without_init(type(request))  # Inlined: one more function call would slow down every request.
        sent.__dict__ = attributes = request.__dict__.copy()
        attributes["headers"] = exchange.headers
        try:
            response = await self.inner.handle_async_request(sent) if self._is_direct else await self._handle(sent, exchange)
        except BaseException as error:
            self._handle_send_error(exchange, request, sent, error)
            raise
        if sent.stream is not body or getattr(response, "_request", None) is sent:
            self._restore_request(request, sent, response)
        stream = response.stream
        try:
            status = response.status_code
            if status in self._answered and not exchange.bypassed:
                self._answered[status] += 1
            else:
                self._count_other_response(exchange, status)
            if exchange.token is not None and status in self._refusal_statuses:
                await self._read_refusal(exchange, response)
            for on_response in exchange.response_hooks:
                if on_response(exchange, response) is REAUTHENTICATE:
                    exchange.reject_token()
        except BaseException:
            await stream.aclose()
            raise
        return response

    async def _handle(self, request: RequestT, exchange: Exchange) -> ResponseT:
        self._add_query(exchange, request)
        self._reopen()
        with Observation(self.pipeline.send_observers, request) as observation:
            return observation.note(await self.inner.handle_async_request(request))

    async def _read_refusal(self, exchange: Exchange, response: ResponseT) -> None:
        decided = self._refusal_from_header(exchange, response)
        stream = response.stream
        limit, seconds = self._look_ahead_limits()
        # If the header decides, a short read of the body keeps the connection usable.
        prefix = await aread_ahead(stream, limit, seconds if decided is None else BUFFERED_READ)
        if prefix.complete:
            await stream.aclose()  # Returns the connection to the pool before the wait for a new token.
        exchange.refusal = self._parse_refusal(exchange, prefix, response)

    async def _reauthenticate(
        self, exchange: Exchange, request: RequestT, refused: ResponseT, rejected: AccessToken
    ) -> ResponseT:
        import anyio
        from tenacity import AsyncRetrying

        response, first = refused, [refused]

        async def attempt() -> ResponseT:
            if first:
                return first.pop()
            try:
                token = await self._fetch(exchange, rejected)
            except TokenError as error:
                return self._return_refusal_after(exchange, refused, error)
            exchange.start_retry(token)
            try:
                return await self._send(exchange, request)
            except PolicyError as error:
                return self._return_refusal_after(exchange, refused, error)

        with self._reauthentication(exchange, refused) as observer:
            if self._prepare_retry(exchange, request, refused, rejected):
                if (stream := self._truncate(refused)) is not None:
                    await stream.aclose()
                response = await self._retry_once(AsyncRetrying, exchange, sleep=anyio.sleep)(attempt)
            observer.outcome = retry_outcome(exchange, response)
        return response

    async def _post(self, request: TokenRequest) -> TokenResponse:
        import anyio

        try:
            with anyio.move_on_after(request.total_seconds + CANCEL_MARGIN):
                return await self._post_once(request)
            return self._failed_response(request, TimeoutError())
        except PrioError:  # The request may not be sent: every caller of the fetch gets this error.
            raise
        except Exception as error:  # noqa: BLE001 - an inner transport may raise anything
            return self._failed_response(request, error)

    async def _post_once(self, request: TokenRequest) -> TokenResponse:
        import anyio

        async with closing_connections() as trace:
            transport, is_owned = self._token_route.open(request.url)
            try:
                sent = self._token_request(request, trace)
                with Observation(self.pipeline.send_observers, sent, for_token=True) as observation:
                    response: ResponseT = observation.note(await transport.handle_async_request(sent))
                async with aclosing(response.stream) as stream:
                    prefix = await aread_prefix(stream, RESPONSE_LIMIT)
                await prefix.aclose()
            finally:
                if is_owned:
                    with anyio.CancelScope(shield=True):
                        await transport.aclose()
            return self._token_response(request, response, prefix)
