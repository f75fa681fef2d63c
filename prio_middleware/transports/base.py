"""Base of the auth transports: the steps that sync and async share."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic
from weakref import WeakSet

from .._util.plain_http import is_plain_loopback, proxied_loopback
from .._util.redaction import safe_url
from ..errors import (
    BodyNotReplayableError,
    ConfigurationError,
    NewTokenUnavailableError,
    PolicyError,
    PrioError,
    ReauthenticationError,
    RetryBlockedError,
    TokenError,
    TokenUnchangedError,
    UnknownAccountError,
    bind,
)
from ..oauth.token_request import EXTENSION, request_options, without
from ..oauth.token_response import TokenResponse
from ..pipeline.exchange import REFERENCE, Exchange
from ..pipeline.pipeline import Pipeline
from ..pipeline.protocols import RequestLike
from ..telemetry.logs import Reauthentication, cause_type, count_blocked_request, log
from ..telemetry.metrics import Telemetry, announce, version
from .bodies import BodyPrefix, is_replayable, replay
from .deadlines import Timeouts
from .failure_text import cause_of, failure_text
from .inner import HTTPLibrary, InnerT, InnerUse, RequestT, Response, ResponseT
from .routes import TokenRoute, is_proxied, redirect_problem

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .._util.secret import Secret
    from ..middleware.revocation.refusal import Refusal
    from ..oauth.access_token import AccessToken
    from ..oauth.provider import TokenProvider
    from ..oauth.token_request import TokenRequest

# Creates an object without the ``__init__`` of its class. That of a request would encode the body again.
without_init: Final = object.__new__


def note_reference(error: BaseException, headers: Mapping[str, str]) -> None:
    """Add the ``App-Reference`` header to ``error`` as a note: the vendor's support can look the request up by it."""
    if reference := headers.get(REFERENCE):
        error.add_note(f"{REFERENCE}: {reference}")


def hide_sent_request(error: BaseException, request: object, sent: Any) -> None:
    """Replace ``sent``, whose headers hold the token, by ``request`` in ``error`` and its causes."""
    note_reference(error, sent.headers)
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        each: Any = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        with contextlib.suppress(AttributeError, RuntimeError):  # The libraries' errors raise the latter where none is set.
            if each.request is sent:
                each.request = request
        pending += each.__cause__, each.__context__


# Key in ``response.extensions`` of the :class:`ReauthenticationError` that explains a returned refusal.
REASON = "prio_middleware.reason"


class BaseAuthTransport(Generic[RequestT, ResponseT, InnerT]):
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

    Raises:
        TypeError: both a pipeline and a provider are given, or neither.
        ConfigurationError: see :class:`Pipeline`; or token requests over plain HTTP to this machine would go through a proxy;
            or a transport follows redirects itself.
    """

    library: ClassVar[HTTPLibrary]

    def __init__(
        self,
        inner: InnerT,
        *,
        token_transport: InnerT | TokenRoute | None = None,
        pipeline: Pipeline | None = None,
        provider: TokenProvider | None = None,
        origins: Iterable[str] = (),
        name: str = "default",
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        look_ahead: float | None = None,
    ) -> None:
        if (pipeline is None) == (provider is None):
            raise TypeError("Give either pipeline= or provider=, which means the default pipeline around it.")
        problem = redirect_problem((inner, token_transport), name)
        if problem:
            raise problem
        origins = tuple(origins)
        self.inner = inner
        self.pipeline = pipeline or default_pipeline(provider, origins)
        self.name = name
        self._provider: TokenProvider = self.pipeline.provider
        self._has_accounts = hasattr(self._provider, "of_account")
        if isinstance(token_transport, TokenRoute):
            self._token_route = token_transport
        else:
            self._token_route = TokenRoute(inner, origins) if token_transport is None else TokenRoute(token_transport)
        self._is_proxied = is_proxied(inner)
        url = getattr(self._provider, "token_url", None)
        if isinstance(url, str) and self._token_route.leaks(url):
            leak = proxied_loopback(url, name)
            raise ConfigurationError(leak.message, client=name, url=url, remedy=leak.remedy)
        self._refusal_statuses = self.pipeline.refusal_statuses
        self._outer_requests, self._inner_requests = self.pipeline.outer_requests, self.pipeline.inner_requests
        self._response_hooks = self.pipeline.response_hooks
        self._counters = self.pipeline.counters
        self._acquisitions, self._answered = self._counters.acquisitions, self._counters.answered
        self._telemetry = Telemetry(tracer_provider, meter_provider)
        announce(self._telemetry, self._counters)
        self._has_policy = self.pipeline.checks_authorization_early or self.pipeline.caller_authorization != "keep"
        self._closed = self._is_inherited = False
        _transports.add(self)
        self._look_ahead = look_ahead
        self._is_plain = not (self.pipeline.send_observers or self.pipeline.changes_query)
        self._is_direct = self._is_plain
        self._use = InnerUse(inner)

    def _admit(self, request: RequestT) -> Exchange:
        """Run the components before the provider, and read the token options of the request."""
        # Faster than headers.copy(), which detects the encoding first.
        headers = request.headers
        exchange = Exchange(request, type(headers)(headers), self.name)
        for on_request in self._outer_requests:
            on_request(exchange)
            if exchange.bypassed:
                self.pipeline.bypass_rest(exchange, on_request)
                break
        else:
            exchange.response_hooks = self._response_hooks
        if self._is_proxied and is_plain_loopback(request.url.scheme, request.url.host):
            raise proxied_loopback(request.url, self.name)
        if exchange.bypassed:
            exchange.options = None
        elif EXTENSION in request.extensions and exchange.options is not None:
            exchange.options = request_options(request.extensions, self.name, request.url, exchange.options.account)
        if not self._has_accounts and exchange.options is not None and exchange.options.account is not None:
            raise ConfigurationError(
                f"The token provider {type(self._provider).__name__} has no accounts.",
                client=self.name,
                url=request.url,
                remedy="Remove account from the options of this request.",
            )
        if self._has_policy and exchange.options is not None:
            exchange.caller_authorization = self.pipeline.caller_authorization
            if self.pipeline.checks_authorization_early:
                exchange.use_caller_authorization()
        return exchange

    def _leave(self) -> bool:
        """End the use of the inner transport. Return True if it is to be closed."""
        is_last = self._use.leave()
        self._update_state()
        return is_last

    def _reopen(self) -> None:
        """Reopen after a close, as the libraries' transports do: another client may share this object.

        Warn in a forked child if the inner transport holds connections of the parent process.
        """
        if self._is_inherited:
            self._is_inherited = False
            self._update_state()
            message = (
                "Client %r has open connections of the process that this one was forked from. Both processes read from them, "
                "so calls may get each other's responses. Make the client after the fork, or take it from Clients of "
                "prio_middleware.web, which opens one in each process."
            )
            log(logging.WARNING, message, self.name, event="inherited_client", client=self.name)
        if self._closed:
            self._use.join()
            self._update_state()

    def _update_state(self) -> None:
        with self._use.lock:
            self._closed = not self._use.is_open
            self._is_direct = self._is_plain and not self._closed

    def mark_inherited(self) -> None:
        """Warn at the next call: the connections belong to the parent process."""
        self._is_inherited, self._is_direct = True, False

    @staticmethod
    def _add_query(exchange: Exchange, sent: Any) -> None:
        """Add the further query to the request that is sent, unless the request bypassed the pipeline."""
        if exchange.further_query is not None and not exchange.bypassed:
            from ..middleware.query_key import with_query

            sent.url = with_query(sent.url, exchange.further_query)

    def _count_other_response(self, exchange: Exchange, status: int) -> None:
        """Count a response with a rare status, unless the request bypassed the pipeline: then it is another server's."""
        if not exchange.bypassed:
            self._counters.count_other_response(status)

    def _restore_request(self, request: RequestT, sent: RequestT, response: ResponseT) -> None:
        """Set ``response.request`` to the caller's request, and copy the body to it if the inner transport read it into memory.

        A mock transport sets its own request and reads the body. Its stream is then exhausted, so a redirect needs the copy.
        """
        response.request = request
        stream: Any = sent.stream
        if stream is not request.stream and isinstance(stream, self.library.ByteStream):
            request.stream = stream
            request.read()

    def _handle_send_error(self, exchange: Exchange, request: RequestT, sent: RequestT, error: BaseException) -> None:
        """Hide ``sent`` in the error of a call without a response, and count the call by the type of the error."""
        hide_sent_request(error, request, sent)
        is_network = isinstance(error, (self.library.TransportError, OSError)) and not isinstance(error, PrioError)
        if is_network and not exchange.bypassed:
            self._counters.call_errors[cause_type(cause_of(error))] += 1

    def _failure(self, error: PrioError, request: RequestT) -> PrioError:
        """Return the error for the caller. Count and log it if this client blocked the request."""
        if isinstance(error, UnknownAccountError):
            error = error.copy(url=safe_url(request.url))
        count_blocked_request(error, self._counters, self.name)
        return bind(error, getattr(self.library, error.library_error))

    def _reauthentication(self, exchange: Exchange, refused: ResponseT) -> Reauthentication:
        refusal = exchange.refusal
        code = (refusal.challenge or refusal.code) if refusal else None
        return Reauthentication(self._telemetry, self._counters, self.name, refused.status_code, code)

    def _look_ahead_limits(self) -> tuple[int, float]:
        """Return how much of a refusal's body is read, in bytes and in seconds."""
        from ..middleware.revocation.refusal import BODY_LIMIT, LOOK_AHEAD  # Most processes see no refusal.

        return BODY_LIMIT, LOOK_AHEAD if self._look_ahead is None else self._look_ahead

    def _refusal_from_header(self, exchange: Exchange, response: ResponseT) -> Refusal | None:
        """Return the refusal if the header decides. Return None if the body is needed, or can be read without a wait."""
        from ..middleware.revocation.refusal import parse_refusal

        refusal = parse_refusal(response.status_code, response.headers, None, self._secrets(exchange))
        is_buffered = isinstance(response.stream, self.library.ByteStream) or response.headers.get("content-length") == "0"
        return refusal if refusal.decided and not is_buffered else None

    def _truncate(self, refused: ResponseT) -> Any:
        """Cut the body of ``refused`` off after the bytes that were read.

        Return the stream, to be closed: an open one keeps a connection that the token request may need. Return None if it was
        read to its end.
        """
        stream = refused.stream
        if isinstance(stream, self.library.ByteStream):
            return None
        # A decoder fails on the prefix of an encoded body.
        prefix = b"" if "content-encoding" in refused.headers else getattr(stream, "prefix", b"")
        refused.stream = self.library.ByteStream(prefix)
        return stream

    def _parse_refusal(self, exchange: Exchange, prefix: BodyPrefix, response: ResponseT) -> Refusal:
        """Restore the body of ``response`` after its prefix was read, and return the parsed refusal."""
        from ..middleware.revocation.refusal import parse_refusal

        body = prefix.content if prefix.complete else None
        response.stream = replay(self.library, prefix, response.stream) if body is None else self.library.ByteStream(body)
        return parse_refusal(response.status_code, response.headers, body, self._secrets(exchange))

    def _secrets(self, exchange: Exchange) -> tuple[Secret, ...]:
        """Return what no error may repeat if the API echoes it: the token, and what account and components used before."""
        recent = self.pipeline.recent_secrets(self._provider_of(exchange))
        return (*recent, exchange.token.value) if exchange.token else recent

    def _provider_of(self, exchange: Exchange) -> TokenProvider:
        """Return the token provider of the account that the request names; default: the client's own."""
        account = exchange.options and exchange.options.account
        provider: TokenProvider = self._provider if account is None else self.pipeline.provider.of_account(account)
        return provider

    def _prepare_retry(self, exchange: Exchange, request: RequestT, refused: ResponseT, rejected: AccessToken) -> bool:
        """Tell the provider that the API rejected the token. Return False if no retry is possible: the refusal says why."""
        self._provider_of(exchange).invalidate(rejected)
        if rejected.unchanged:
            message = "The server rejected the token, which the token endpoint had returned again after an earlier rejection."
            self._return_refusal(exchange, refused, TokenUnchangedError, message)
            return False
        if is_replayable(request.stream, self.library):
            return True
        message = "The server rejected the token, and the request's body cannot be sent again."
        self._return_refusal(exchange, refused, BodyNotReplayableError, message)
        return False

    def _retry_once(self, retrying: Callable[..., Any], exchange: Exchange, **options: Any) -> Any:
        """Return tenacity's controller for one retry. The refusal counts as its first attempt."""
        from tenacity import retry_if_result, stop_after_attempt, wait_none

        return retrying(
            stop=stop_after_attempt(2),
            wait=wait_none(),
            retry=retry_if_result(lambda _: exchange.rejected_token is not None),
            retry_error_callback=lambda state: state.outcome.result(),
            **options,
        )

    def _return_refusal_after(self, exchange: Exchange, refused: ResponseT, error: TokenError | PolicyError) -> ResponseT:
        """Return the refusal to the caller, because no new token could be fetched, or this client blocked the retry."""
        if isinstance(error, PolicyError):
            message = f"The server rejected the token, and the retry was blocked. {error.message}"
            return self._return_refusal(exchange, refused, RetryBlockedError, message, error.retry_after)
        kind = TokenUnchangedError if isinstance(error, TokenUnchangedError) else NewTokenUnavailableError
        message = f"The server rejected the token, and no new one could be fetched. {error}"
        return self._return_refusal(exchange, refused, kind, message, error.retry_after)

    def _return_refusal(
        self,
        exchange: Exchange,
        refused: ResponseT,
        kind: type[ReauthenticationError],
        message: str,
        retry_after: float | None = None,
    ) -> ResponseT:
        """Attach the reason why there is no retry to the refusal, and return it."""
        refusal = exchange.refusal
        reason = kind(
            message,
            client=self.name,
            url=exchange.request.url,
            status_code=refused.status_code,
            code=(refusal.challenge or refusal.code) if refusal else None,
            error_reference=refusal.error_reference if refusal else None,
            retry_after=retry_after,
        )
        note_reference(reason, exchange.headers)
        exchange.rejected_token = None
        refused.extensions[REASON] = reason
        return refused

    def _token_request(self, request: TokenRequest, trace: Callable[..., Any]) -> Any:
        # This request is not made by the library's client, which would set the timeouts.
        extensions = {"timeout": Timeouts(request.timeout, request.total_seconds), "trace": trace}
        headers = {**without({"User-Agent": user_agent(self.library)}, request.headers), **request.headers}
        request.hint = self._token_route.hint(request.url)
        return self.library.Request(request.method, request.url, headers=headers, content=request.body, extensions=extensions)

    def _token_response(self, request: TokenRequest, response: ResponseT, prefix: BodyPrefix) -> TokenResponse:
        if prefix.broken:
            return self._failed_response(request, prefix.broken)
        answered_request = getattr(response, "_request", None)  # Few transports set it.
        if answered_request is not None and answered_request.url != type(answered_request.url)(request.url):
            failure = f"the transport followed a redirect to {safe_url(answered_request.url)}, with the credentials"
            return TokenResponse(failure=failure, cause="unexpected")
        return TokenResponse(response.status_code, response.headers, prefix.content, truncated=not prefix.complete)

    def _failed_response(self, request: TokenRequest, error: Exception) -> TokenResponse:
        """Return a token response without an answer, because of ``error``. A TimeoutError means the deadline of the request.

        An error that is neither the library's ``TransportError`` nor an ``OSError`` is a defect in a transport, or comes from a
        test tool that blocks requests: it keeps its own message, and is not retried.
        """
        if not isinstance(error, (self.library.TransportError, OSError)):
            return TokenResponse(failure=f"{type(error).__name__}: {error}", cause="unexpected")
        seconds = request.total_seconds if isinstance(error, TimeoutError) else request.timeout
        return TokenResponse(failure=failure_text(error, seconds), cause=cause_of(error))

    def _keeps_fetches(self) -> bool:
        """Return True if token requests have a connection of their own, and so can continue after this client is closed."""
        url = getattr(self._provider, "token_url", None)
        return isinstance(url, str) and self._token_route.find(url).make is not None


# The transports of this process, for the fork hook, which saves each call a check of the process id.
_transports: WeakSet[BaseAuthTransport[Any, Any, Any]] = WeakSet()


def mark_all_inherited() -> None:
    """Let each transport with open connections warn at its next call. Called in a forked child."""
    for transport in list(_transports):
        pool = getattr(transport.inner, "_pool", None)
        if getattr(pool, "connections", None):
            transport.mark_inherited()


getattr(os, "register_at_fork", dict)(after_in_child=mark_all_inherited)  # Without the hook, on Windows, dict() does nothing.


def user_agent(library: HTTPLibrary) -> str:
    """Return the User-Agent of token and metadata requests: this library, then the HTTP library."""
    return f"prio-middleware/{version() or 'unknown'} python-{library.__name__}/{library.__version__}"


def default_pipeline(provider: Any, origins: Iterable[str]) -> Pipeline:
    """Return the default components around ``provider``. Only ``origins`` get the token.

    Raises:
        ConfigurationError: ``origins`` is empty, and the provider has no token URL to take the origin from.
    """
    from ..middleware import HeaderInjector, HTTPSEnforcer, OriginGuard, RevocationHandler
    from ..middleware.revocation.renewal_limiter import limiter_of_provider
    from ..middleware.revocation.rules import RFC6749_REFUSALS

    allowed = tuple(origins) or tuple(filter(None, [getattr(provider, "token_url", None)]))
    if not allowed:
        raise ConfigurationError(
            "No origin is allowed to get the token.", remedy='Name them: origins=["https://api.example.com"].'
        )
    handler = RevocationHandler(RFC6749_REFUSALS, limiter=limiter_of_provider(provider))
    return Pipeline([HTTPSEnforcer(), OriginGuard(allowed), handler, provider, HeaderInjector()])


def retry_outcome(exchange: Exchange, response: Response) -> str:
    """Return the outcome of a retry, for telemetry."""
    reason: ReauthenticationError | None = response.extensions.get(REASON)
    if reason is not None:
        return reason.outcome
    return "rejected" if exchange.refusal else "succeeded"


def read_timeout_of(request: RequestLike) -> float | None:
    """Return the read timeout in seconds, which also limits the wait for a token. None if there is no timeout."""
    timeouts: Mapping[str, float | None] = request.extensions.get("timeout") or {}
    return timeouts.get("read")
