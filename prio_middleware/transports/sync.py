"""Base of the sync transports: prepare, send, check the response, re-authenticate once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, Generic, Self

from .._util.clock import monotonic
from ..errors import PolicyError, PrioError, TokenError, bind
from ..oauth.access_token import DEFAULT_OPTIONS, AccessToken
from ..oauth.token_response import RESPONSE_LIMIT, TokenResponse
from ..pipeline.exchange import REAUTHENTICATE, Exchange
from ..telemetry.providers import StartsFetch
from .base import BaseAuthTransport, read_timeout_of, retry_outcome, without_init
from .bodies import read_ahead, read_prefix
from .deadlines import Cutoff, cutting_off
from .inner import Observation, RequestT, ResponseT, SyncInner

if TYPE_CHECKING:
    from ..oauth.token_request import TokenRequest


class BaseSyncAuthTransport(
    BaseAuthTransport[RequestT, ResponseT, SyncInner[RequestT, ResponseT]], Generic[RequestT, ResponseT]
):
    """Base of the sync transports of both HTTP libraries."""

    def handle_request(self, request: RequestT) -> ResponseT:
        """Send ``request`` through the pipeline.

        Raises:
            PrioError: also an instance of the library's ``TransportError``.
        """
        try:
            exchange = self._admit(request)
            if exchange.options is not None:
                token = self._provider.current(exchange.options, None)
                if token is None:
                    token = None if exchange.use_caller_authorization() else self._fetch(exchange, None)
                else:
                    self._acquisitions["cached"] += 1
                exchange.token = token
            response = self._send(exchange, request)
            rejected = exchange.rejected_token
            return response if rejected is None else self._reauthenticate(exchange, request, response, rejected)
        except PrioError as error:
            failure = self._failure(error, request)
        raise failure

    def authenticate(self) -> AccessToken:
        """Fetch a token before the first request, so that wrong credentials show at the start.

        Raises:
            TokenError: no token can be fetched; also an instance of the library's ``TransportError``.
        """
        try:
            with self._telemetry.in_use():
                return self._provider.current(DEFAULT_OPTIONS, None) or self._provider.get_token(
                    DEFAULT_OPTIONS, None, self._post
                )
        except PrioError as error:
            failure = bind(error, self.library.TransportError)
        raise failure

    def start_fetch(self) -> None:
        """Start a token fetch in the background, unless there is a token, a cool-down or a fetch in progress. Do not wait."""
        if isinstance(self._provider, StartsFetch):
            with self._telemetry.in_use():
                self._provider.start_fetch(self._post)

    def __enter__(self) -> Self:
        if not self._use.is_entered:
            self.inner.__enter__()
        self._use.enter()
        self._update_state()
        return self

    def __exit__(self, *error: Any, **named: Any) -> None:  # noqa: PYI036 - any signature
        self._end(lambda: self.inner.__exit__(*error, **named))

    def close(self) -> None:
        """Stop this client's token fetches, and close the inner transport.

        A fetch goes on if other clients wait for it and it does not need this client's connections. The inner transport stays
        open while another open transport of this package uses it.
        """
        self._end(self.inner.close)

    def _end(self, close: Callable[[], None]) -> None:
        is_last = self._leave()
        release = getattr(self._provider, "release", None)
        try:
            if release is not None and self._closed:
                release(self._post, keep=self._keeps_fetches())
        finally:
            if is_last:
                close()

    def _fetch(self, exchange: Exchange, rejected: AccessToken | None) -> AccessToken:
        self._reopen()
        with self._telemetry.in_use():
            options = exchange.options or DEFAULT_OPTIONS
            return self._provider.get_token(options, rejected, self._post, max_wait=read_timeout_of(exchange.request))

    def _send(self, exchange: Exchange, request: RequestT) -> ResponseT:
        if not exchange.bypassed:
            for on_request in self._inner_requests:
                on_request(exchange)
        body = request.stream
        sent = without_init(type(request))  # Inlined: one more function call would slow down every request.
        sent.__dict__ = attributes = request.__dict__.copy()
        attributes["headers"] = exchange.headers
        try:
            response = self.inner.handle_request(sent) if self._is_direct else self._handle(sent, exchange)
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
                self._read_refusal(exchange, response)
            for on_response in exchange.response_hooks:
                if on_response(exchange, response) is REAUTHENTICATE:
                    exchange.reject_token()
        except BaseException:
            stream.close()
            raise
        return response

    def _handle(self, request: RequestT, exchange: Exchange) -> ResponseT:
        self._add_query(exchange, request)
        self._reopen()
        with Observation(self.pipeline.send_observers, request) as observation:
            return observation.note(self.inner.handle_request(request))

    def _read_refusal(self, exchange: Exchange, response: ResponseT) -> None:
        exchange.refusal = self._refusal_from_header(exchange, response)
        if exchange.refusal is not None:
            return  # The body stays unread: the header decides. Before a retry, :meth:`_truncate` discards it.
        stream = response.stream
        limit, seconds = self._look_ahead_limits()
        prefix = read_ahead(stream, limit, monotonic() + seconds)
        if prefix.complete:
            stream.close()  # Returns the connection to the pool before the wait for a new token.
        exchange.refusal = self._parse_refusal(exchange, prefix, response)

    def _reauthenticate(self, exchange: Exchange, request: RequestT, refused: ResponseT, rejected: AccessToken) -> ResponseT:
        from tenacity import Retrying

        response, first = refused, [refused]

        def attempt() -> ResponseT:
            if first:
                return first.pop()
            try:
                token = self._fetch(exchange, rejected)
            except TokenError as error:
                return self._return_refusal_after(exchange, refused, error)
            exchange.start_retry(token)
            try:
                return self._send(exchange, request)
            except PolicyError as error:
                return self._return_refusal_after(exchange, refused, error)

        with self._reauthentication(exchange, refused) as observer:
            if self._prepare_retry(exchange, request, refused, rejected):
                if (stream := self._truncate(refused)) is not None:
                    stream.close()
                response = self._retry_once(Retrying, exchange)(attempt)
            observer.outcome = retry_outcome(exchange, response)
        return response

    def _post(self, request: TokenRequest) -> TokenResponse:
        with cutting_off(request) as cutoff:
            try:
                return self._post_once(request, cutoff, monotonic() + request.total_seconds)
            except PrioError:  # The request may not be sent: every caller of the fetch gets this error.
                raise
            except Exception as error:  # noqa: BLE001 - an inner transport may raise anything
                return self._failed_response(request, TimeoutError() if cutoff.is_cut else error)

    def _post_once(self, request: TokenRequest, cutoff: Cutoff, until: float) -> TokenResponse:
        transport, is_owned = self._token_route.open(request.url)
        with closing(transport) if is_owned else nullcontext():
            sent = self._token_request(request, cutoff.trace)
            with Observation(self.pipeline.send_observers, sent, for_token=True) as observation:
                response: ResponseT = observation.note(transport.handle_request(sent))
            with closing(response.stream) as stream:
                prefix = read_prefix(stream, RESPONSE_LIMIT, until)  # The library limits each read, this their sum.
        if prefix.broken and cutoff.is_cut:
            prefix.broken = TimeoutError()
        return self._token_response(request, response, prefix)
