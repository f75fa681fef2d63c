"""What the sync and the async shell share: everything but the sending."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from ..errors import (
    BodyNotReplayableError,
    ConfigurationError,
    NewTokenUnavailableError,
    PolicyError,
    PrioError,
    ReauthenticationError,
    SecondTryRefusedError,
    TokenError,
    bind,
)
from ..pipeline import Exchange, Pipeline
from ..tokens.options import EXTENSION, request_options
from .bodies import Head, refill
from .library import HTTPLibrary, RequestT, Response, ResponseT
from .replay import is_replayable
from .timeouts import Timeouts

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ..refusal import Refusal
    from ..telemetry.reauthentication import Reauthentication
    from ..tokens.answer import TokenAnswer
    from ..tokens.endpoint import TokenRequest
    from ..tokens.provider import TokenProvider

REASON = "prio_middleware.reason"
"""The key in ``response.extensions`` that says why a refusal was handed on: a :class:`ReauthenticationError`."""


class Shell(Generic[RequestT, ResponseT]):
    """The parts of both shells that do no I/O.

    Raises:
        TypeError: both a pipeline and a provider are given, or neither.
        ConfigurationError: see :class:`Pipeline`.
    """

    library: ClassVar[HTTPLibrary]

    def __init__(
        self,
        *,
        pipeline: Pipeline | None = None,
        provider: TokenProvider | None = None,
        origins: Iterable[str] = (),
        name: str = "default",
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        from ..telemetry.metrics import expect
        from ..telemetry.providers import Telemetry

        if (pipeline is None) == (provider is None):
            raise TypeError("Give either pipeline= or provider=, which means the default pipeline around it.")
        self.pipeline = pipeline or default_pipeline(provider, origins)
        self.name = name
        self._provider: TokenProvider = self.pipeline.provider
        self._statuses = self.pipeline.statuses
        self._inner_requests = self.pipeline.inner_requests
        self._tally = self.pipeline.tally
        self._acquisitions, self._answered = self._tally.acquisitions, self._tally.answered
        self._telemetry = Telemetry(tracer_provider, meter_provider)
        expect(self._telemetry, self._tally)
        self._looks_for_own = not self.pipeline.gives_way
        self._closed = False

    def _admit(self, request: RequestT) -> Exchange:
        """Run what comes before the token, and note what the request asks of it."""
        # Headers(headers) copies the list; headers.copy() would look for the encoding first.
        exchange = Exchange(request, request.headers.__class__(request.headers), self.name)
        self.pipeline.admit(exchange)
        if exchange.bare or (self._looks_for_own and exchange.give_way()):
            exchange.options = None
        elif EXTENSION in request.extensions:
            exchange.options = request_options(request.extensions, self.name, request.url)
        return exchange

    def _note_refused(self, exchange: Exchange, status: int) -> None:
        """Count a response that is no success. What others answer to a request that passed bare is not this client's."""
        if not exchange.bare:
            self._tally.note_refused(status)

    def _refused_here(self, error: PrioError) -> PrioError:
        """The error as the caller gets it. A request that was refused here, and not sent, is counted and logged."""
        from ..telemetry.rejection import note_rejection

        note_rejection(error, self._tally, self.name)
        return bind(error, self.library.TransportError)

    def _reauthentication(self, exchange: Exchange, refused: ResponseT) -> Reauthentication:
        """Watches the second try."""
        from ..telemetry.reauthentication import Reauthentication

        refusal = exchange.refusal
        code = (refusal.challenge or refusal.code) if refusal else None
        return Reauthentication(self._telemetry, self._tally, self.name, refused.status_code, code)

    def _put_back(self, exchange: Exchange, head: Head, response: ResponseT) -> Refusal:
        """Make ``response`` whole again after its head was read, and say what it says."""
        from ..refusal import read_refusal

        if head.complete:
            response.stream = self.library.ByteStream(head.content)
        else:
            response.stream = refill(self.library, head, response.stream)
        sent = (exchange.token.value,) if exchange.token else ()
        return read_refusal(response.status_code, response.headers, head.content if head.complete else None, sent)

    def _can_send_again(self, exchange: Exchange, request: RequestT, refused: ResponseT) -> bool:
        if is_replayable(request.stream, self.library):
            return True
        message = "The server refused the token, and the request's body cannot be sent again."
        hand_on(exchange, refused, BodyNotReplayableError(message, **_facts(exchange)))
        return False

    def _token_request(self, request: TokenRequest) -> Any:
        # A request handed to a transport directly has no timeout but the one it carries.
        extensions = {"timeout": Timeouts(request.timeout, time.monotonic() + request.budget)}
        return self.library.Request(
            request.method, request.url, headers=dict(request.headers), content=request.body, extensions=extensions
        )


def default_pipeline(provider: Any, origins: Iterable[str]) -> Pipeline:
    """The default components around ``provider``, for the origins that may have the token.

    Raises:
        ConfigurationError: no origin is named, and the provider has no token URL whose origin could stand in.
    """
    from ..middleware import HeaderInjector, HTTPSEnforcer, OriginGuard, RevocationHandler
    from ..presets import RFC6749

    allowed = tuple(origins) or tuple(filter(None, [getattr(provider, "token_url", None)]))
    if not allowed:
        raise ConfigurationError(
            "Nothing says which origins may have the token.", remedy='Name them: origins=["https://api.example.com"].'
        )
    return Pipeline([HTTPSEnforcer(), OriginGuard(allowed), RevocationHandler(RFC6749.refusals), provider, HeaderInjector()])


def second_try(retrying: Callable[..., Any], exchange: Exchange, **options: Any) -> Any:
    """tenacity's controller for one refusal: the refusal in hand is its first attempt, so it sends once more and no more."""
    from tenacity import retry_if_result, stop_after_attempt, wait_none

    return retrying(
        stop=stop_after_attempt(2),
        wait=wait_none(),
        retry=retry_if_result(lambda _: exchange.refused is not None),
        retry_error_callback=lambda state: state.outcome.result(),
        **options,
    )


def outcome(exchange: Exchange, response: Response) -> str:
    """How a second try ended, for those who count."""
    reason: ReauthenticationError | None = response.extensions.get(REASON)
    if reason is not None:
        return reason.outcome
    return "refused" if exchange.refusal else "succeeded"


def hand_on(exchange: Exchange, refused: ResponseT, reason: ReauthenticationError) -> ResponseT:
    """Deliver the server's own refusal, with the reason why it is not tried again."""
    exchange.refused = None
    refused.extensions[REASON] = reason
    return refused


def hand_on_without_token(exchange: Exchange, refused: ResponseT, error: TokenError) -> ResponseT:
    """Deliver the server's own refusal: no new token could be had."""
    message = f"The server refused the token, and no new one could be had. {error}"
    return hand_on(exchange, refused, NewTokenUnavailableError(message, **_facts(exchange), retry_after=error.retry_after))


def hand_on_unsent(exchange: Exchange, refused: ResponseT, error: PolicyError) -> ResponseT:
    """Deliver the server's own refusal: the second try was refused here."""
    reason = SecondTryRefusedError(
        f"The server refused the token, and the request was not sent again. {error.message}",
        client=exchange.client,
        url=exchange.request.url,
        status_code=refused.status_code,
        retry_after=error.retry_after,
    )
    return hand_on(exchange, refused, reason)


def no_answer(failure: str) -> TokenAnswer:
    """What there is to read where no whole answer came back from the token endpoint."""
    from ..tokens.answer import TokenAnswer

    return TokenAnswer(failure=failure)


def answer_of(response: Response, head: Head) -> TokenAnswer:
    """What came back from the token endpoint."""
    from ..tokens.answer import TokenAnswer

    if head.broken:
        return no_answer(describe(head.broken))
    return TokenAnswer(response.status_code, response.headers, head.content, truncated=not head.complete)


def describe(error: Exception) -> str:
    """An error of the HTTP library as text: the error itself holds the request, with the credentials.

    Where its own text is empty, as when TLS fails under trio, its cause's is taken.
    """
    said: BaseException | None = error
    while said and not str(said):
        said = said.__cause__ or said.__context__
    return f"{type(error).__name__}: {said}".rstrip(".") if said else type(error).__name__


def _facts(exchange: Exchange) -> dict[str, Any]:
    refusal = exchange.refusal
    return {
        "client": exchange.client,
        "url": exchange.request.url,
        "status_code": refusal and refusal.status_code,
        "code": refusal and (refusal.challenge or refusal.code),
        "error_reference": refusal and refusal.error_reference,
    }
