"""Base of the sync transports: prepare, send, check the response, re-authenticate once."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self

from .._util.clock import monotonic
from ..errors import PolicyError, PrioError, TokenError, bind
from ..oauth.access_token import DEFAULT_OPTIONS, AccessToken
from ..pipeline.exchange import REAUTHENTICATE, Exchange
from ..pipeline.pipeline import Pipeline
from ..telemetry.providers import StartsFetch
from .base import (
    BaseAuthTransport,
    failed_response,
    hide_sent_request,
    read_timeout_of,
    restore_request,
    retry_once,
    retry_outcome,
    return_refusal_retry_blocked,
    return_refusal_without_token,
    timed_out_response,
    token_response,
    without_init,
)
from .bodies import read_ahead, read_prefix
from .cutoff import Cutoff, cutting_off
from .inner import InnerUse, RequestT, ResponseT, SyncInner, observed

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ..oauth.provider import TokenProvider
    from ..oauth.token_request import TokenRequest
    from ..oauth.token_response import TokenResponse
    from .routes import TokenRoute


class BaseSyncAuthTransport(BaseAuthTransport[RequestT, ResponseT], Generic[RequestT, ResponseT]):
    """Transport that sends each request through a pipeline. The public modules derive one class for each HTTP library.

    Args:
        inner: the transport that sends. Closed with this one, or with the last one that shares it.
        token_transport: the transport for token requests; default: ``inner``. The caller closes it.
        pipeline: the components, with a token provider among them.
        provider: a token provider, to be put into the default pipeline. Give this or ``pipeline``.
        origins: with ``provider``: the origins that get the token; default: the origin of the token endpoint.
        name: the client's name in errors and telemetry.
        tracer_provider: OpenTelemetry tracer provider; default: the global one, which may be set later.
        meter_provider: OpenTelemetry meter provider; default: the global one.
        look_ahead: seconds for which a refusal's body is read; default: 1 s.
    """

    def __init__(
        self,
        inner: SyncInner[RequestT, ResponseT],
        *,
        token_transport: SyncInner[RequestT, ResponseT] | TokenRoute | None = None,
        pipeline: Pipeline | None = None,
        provider: TokenProvider | None = None,
        origins: Iterable[str] = (),
        name: str = "default",
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        look_ahead: float | None = None,
    ) -> None:
        super().__init__(
            inner,
            token_transport,
            pipeline=pipeline,
            provider=provider,
            origins=origins,
            name=name,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            look_ahead=look_ahead,
        )
        self.inner = inner
        self._use = InnerUse(inner)
        self._observed = observed(inner, self.pipeline.send_observers)

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
            stale = exchange.rejected_token
            return response if stale is None else self._reauthenticate(exchange, request, response, stale)
        except PrioError as error:
            failure = self._failure(error)
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

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        is_last = self._leave()
        try:
            self._release()
        finally:
            if is_last:
                self.inner.__exit__(exc_type, exc_value, traceback)

    def close(self) -> None:
        """Stop this client's token fetches, and close the inner transport.

        A fetch goes on if other clients wait for it and it does not need this client's connections.

        The inner transport stays open while another open transport of this package uses it.
        """
        is_last = self._leave()
        try:
            self._release()
        finally:
            if is_last:
                self.inner.close()

    def _fetch(self, exchange: Exchange, stale: AccessToken | None) -> AccessToken:
        self._reopen()
        with self._telemetry.in_use():
            provider, options = self._provider_of(exchange)
            return provider.get_token(options, stale, self._post, max_wait=read_timeout_of(exchange.request))

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
            hide_sent_request(error, request, sent)
            self._count_call_error(exchange, error)
            raise
        if sent.stream is not body or getattr(response, "_request", None) is sent:
            restore_request(request, sent, response, self.library)
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
        return self._observed(request)

    def _read_refusal(self, exchange: Exchange, response: ResponseT) -> None:
        from ..middleware.revocation.refusal import BODY_LIMIT, LOOK_AHEAD

        exchange.refusal = self._refusal_from_header(exchange, response)
        if exchange.refusal is not None:
            return
        stream = response.stream
        seconds = LOOK_AHEAD if self._look_ahead is None else self._look_ahead
        prefix = read_ahead(stream, BODY_LIMIT, seconds)
        if prefix.complete:
            stream.close()  # Returns the connection to the pool before the wait for a new token.
        exchange.refusal = self._parse_refusal(exchange, prefix, response)

    def _reauthenticate(self, exchange: Exchange, request: RequestT, refused: ResponseT, stale: AccessToken) -> ResponseT:
        with self._reauthentication(exchange, refused) as observer:
            response = self._retry(exchange, request, refused, stale)
            observer.outcome = retry_outcome(exchange, response)
        return response

    def _retry(self, exchange: Exchange, request: RequestT, refused: ResponseT, stale: AccessToken) -> ResponseT:
        from tenacity import Retrying

        self._provider_of(exchange)[0].invalidate(stale)
        if not self._prepare_retry(exchange, request, refused):
            return refused
        if (stream := self._truncate(refused)) is not None:
            stream.close()
        first = [refused]

        def attempt() -> ResponseT:
            if first:
                return first.pop()
            try:
                token = self._fetch(exchange, stale)
            except TokenError as error:
                return return_refusal_without_token(exchange, refused, error)
            exchange.start_retry(token)
            try:
                return self._send(exchange, request)
            except PolicyError as error:
                return return_refusal_retry_blocked(exchange, refused, error)

        response: ResponseT = retry_once(Retrying, exchange)(attempt)
        return response

    def _release(self) -> None:
        release = getattr(self._provider, "release", None)
        if release is not None and self._closed:
            release(self._post, keep=self._keeps_fetches())

    def _post(self, request: TokenRequest) -> TokenResponse:
        with cutting_off(request) as cutoff:
            try:
                return self._post_once(request, cutoff, monotonic() + request.total_seconds)
            except PrioError:  # Blocked here: the callers raise it.
                raise
            except Exception as error:  # noqa: BLE001 - an inner transport may raise anything
                if cutoff.is_cut:
                    return timed_out_response(request.total_seconds)
                return failed_response(error, request.timeout, self.library)

    def _post_once(self, request: TokenRequest, cutoff: Cutoff, until: float) -> TokenResponse:
        from ..oauth.token_response import RESPONSE_LIMIT

        transport, is_owned = self._token_route.open(request.url)
        try:
            send = observed(transport, self.pipeline.send_observers, for_token=True)
            response = send(self._token_request(request, cutoff.trace))
            stream = response.stream
            try:
                # The library limits each read, this their sum.
                prefix = read_prefix(stream, RESPONSE_LIMIT, until)
            finally:
                stream.close()
        finally:
            if is_owned:
                transport.close()
        return (
            timed_out_response(request.total_seconds)
            if prefix.broken and cutoff.is_cut
            else token_response(response, prefix, request, self.library)
        )
