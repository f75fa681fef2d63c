"""The sync shell: prepare, send, judge, re-authenticate once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self

from ..errors import PolicyError, PrioError, TokenError, bind
from ..pipeline import Exchange, Pipeline
from ..tokens.token import DEFAULT_OPTIONS, AccessToken
from .bodies import read_head
from .library import RequestT, ResponseT, SyncInner
from .shell import Shell, answer_of, describe, hand_on_unsent, hand_on_without_token, no_answer, outcome, second_try
from .watching import watched

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ..tokens.answer import TokenAnswer
    from ..tokens.endpoint import TokenRequest
    from ..tokens.provider import TokenProvider


class SyncShell(Shell[RequestT, ResponseT], Generic[RequestT, ResponseT]):
    """A transport that wraps ``inner`` in a pipeline. The faces derive one class of it for each HTTP library.

    Args:
        inner: the transport that sends; closed with this one.
        pipeline: the components, the token provider among them.
        provider: a token provider alone: the default pipeline is put around it.
        origins: with ``provider``: the origins that may have the token; without any, the token endpoint's own.
        name: the client's name in errors and telemetry.
        tracer_provider: OpenTelemetry's, for spans; the global one if left out, which may be set later.
        meter_provider: the same for metrics.
    """

    def __init__(
        self,
        inner: SyncInner[RequestT, ResponseT],
        *,
        pipeline: Pipeline | None = None,
        provider: TokenProvider | None = None,
        origins: Iterable[str] = (),
        name: str = "default",
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        super().__init__(
            pipeline=pipeline,
            provider=provider,
            origins=origins,
            name=name,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
        )
        self.inner = inner
        self._handle = watched(inner.handle_request, self.pipeline.watchers)
        self._handle_for_token = watched(inner.handle_request, self.pipeline.watchers, for_token=True)

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
                    token = None if exchange.give_way() else self._fetch(exchange, None)
                else:
                    self._acquisitions["fresh"] += 1
                exchange.token = token
            response = self._send(exchange, request)
            stale = exchange.refused
            return response if stale is None else self._reauthenticate(exchange, request, response, stale)
        except PrioError as error:
            failure = self._refused_here(error)
        raise failure

    def authenticate(self) -> AccessToken:
        """Have a token ready, so that the first request need not wait for it, nor be the first to see wrong credentials.

        Raises:
            TokenError: none can be had; also an instance of the library's ``TransportError``.
        """
        try:
            with self._telemetry.in_use():
                return self._provider.current(DEFAULT_OPTIONS, None) or self._provider.get_token(
                    DEFAULT_OPTIONS, None, self._post
                )
        except PrioError as error:
            failure = bind(error, self.library.TransportError)
        raise failure

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._closed = True
        self.inner.__exit__(exc_type, exc_value, traceback)

    def close(self) -> None:
        """Close the inner transport."""
        self._closed = True
        self.inner.close()

    def _fetch(self, exchange: Exchange, stale: AccessToken | None) -> AccessToken:
        with self._telemetry.in_use():
            return self._provider.get_token(exchange.options or DEFAULT_OPTIONS, stale, self._post)

    def _send(self, exchange: Exchange, request: RequestT) -> ResponseT:
        if not exchange.bare:
            for on_request in self._inner_requests:
                on_request(exchange)
        own, request.headers = request.headers, exchange.headers
        try:
            response = self._handle(request)
        finally:
            request.headers = own
        stream = response.stream
        try:
            status = response.status_code
            if status in self._answered and not exchange.bare:
                self._answered[status] += 1
            else:
                self._note_refused(exchange, status)
            if exchange.token is not None and status in self._statuses:
                self._look(exchange, response)
            exchange.judge(response)
        except BaseException:
            stream.close()
            raise
        return response

    def _look(self, exchange: Exchange, response: ResponseT) -> None:
        from ..refusal import BODY_LIMIT

        stream = response.stream
        head = read_head(stream, BODY_LIMIT)
        if head.complete:
            stream.close()  # Gives the connection back before a new token is waited for.
        exchange.refusal = self._put_back(exchange, head, response)

    def _reauthenticate(self, exchange: Exchange, request: RequestT, refused: ResponseT, stale: AccessToken) -> ResponseT:
        with self._reauthentication(exchange, refused) as watch:
            response = self._try_again(exchange, request, refused, stale)
            watch.outcome = outcome(exchange, response)
        return response

    def _try_again(self, exchange: Exchange, request: RequestT, refused: ResponseT, stale: AccessToken) -> ResponseT:
        from tenacity import Retrying

        self._provider.invalidate(stale)
        if not self._can_send_again(exchange, request, refused):
            return refused
        in_hand = [refused]

        def attempt() -> ResponseT:
            if in_hand:
                return in_hand.pop()
            try:
                token = self._fetch(exchange, stale)
            except TokenError as error:
                return hand_on_without_token(exchange, refused, error)
            exchange.begin_second(token)
            try:
                return self._send(exchange, request)
            except PolicyError as error:
                return hand_on_unsent(exchange, refused, error)

        response: ResponseT = second_try(Retrying, exchange)(attempt)
        return response

    def _post(self, request: TokenRequest) -> TokenAnswer:
        try:
            return self._post_once(request, time.monotonic() + request.budget)
        except Exception as error:  # noqa: BLE001 - an inner transport may raise anything; the endpoint makes an error of it
            return no_answer(describe(error))
        finally:
            if self._closed:
                self.inner.close()  # A refresh ahead outlives its client: nobody else would close its connection.

    def _post_once(self, request: TokenRequest, until: float) -> TokenAnswer:
        from ..tokens.answer import ANSWER_LIMIT

        response = self._handle_for_token(self._token_request(request))
        stream = response.stream
        try:
            # The library bounds each read; this, their sum.
            head = read_head(stream, ANSWER_LIMIT, until)
        finally:
            stream.close()
        return answer_of(response, head)
