"""The pipeline: what happens to a request before it is sent, and to its response before the caller sees it.

Nothing here does I/O. A component decides; the shells in ``transports`` fetch and send.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .errors import ConfigurationError
from .tokens.token import DEFAULT_OPTIONS, AccessToken, TokenOptions

if TYPE_CHECKING:
    from .refusal import Refusal


class Verdict(enum.Enum):
    """What a component makes of a response."""

    DELIVER = "deliver"
    """The caller gets it."""

    REAUTHENTICATE = "reauthenticate"
    """It is about the token: drop that token, get another and send the request once more."""


REAUTHENTICATE = Verdict.REAUTHENTICATE  # Every call compares with it, and a name is cheaper than a class's attribute.


class URLLike(Protocol):
    """What components may ask of a URL: ``httpx.URL`` and ``httpx2.URL`` have it."""

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
    """What components may ask of a request: the caller's own, so they change nothing of it."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> URLLike: ...
    @property
    def extensions(self) -> MutableMapping[str, Any]: ...


class ResponseLike(Protocol):
    """What components may ask of a response. Its body is the caller's; see :class:`Refusal` for what was read of it."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class Exchange:
    """One call on its way through the pipeline.

    Attributes:
        request: the caller's request. It is read only, but for marks of one's own in its ``extensions``.
        headers: the headers that are sent: a copy, so what is written here reaches neither the caller nor a redirect.
        client: the configured name of the client, for errors.
        token: the token of this attempt. None before the token provider, and for calls that are sent without one of ours.
        refusal: what was read of a response whose status some component judges; None for every other response.
        options: what the request asks of its token. None: it goes without one of ours.
        bare: nothing of ours goes with this request: set by :meth:`pass_bare`.
        attempt: 1, or 2 after re-authentication.
        judges: who judges the response, innermost first.
        refused: the token that they want replaced; None: the caller gets the response.
    """

    # What most calls leave as it is stands on the class: setting it on every object would cost every call.
    token: AccessToken | None = None
    refusal: Refusal | None = None
    refused: AccessToken | None = None
    options: TokenOptions | None = DEFAULT_OPTIONS
    judges: tuple[OnResponse, ...] = ()
    bare = False
    attempt = 1

    def __init__(self, request: RequestLike, headers: MutableMapping[str, str], client: str = "default") -> None:
        self.request = request
        self.headers = headers
        self.client = client

    def pass_bare(self) -> None:
        """Send the request as the caller made it: no component further in is asked, and no token is fetched."""
        self.bare = True

    def give_way(self) -> bool:
        """Send the ``Authorization`` that the caller's request came with, if it did, and no token of ours."""
        request: Any = self.request
        own = [pair for pair in request.headers.raw if _is_authorization(pair)]
        if own:
            headers: Any = self.headers
            self.headers = type(headers)([*(pair for pair in headers.raw if not _is_authorization(pair)), *own])
            self.token = self.options = None
        return bool(own)

    def begin_second(self, token: AccessToken) -> None:
        """The first attempt was refused: the second one starts, with a new token."""
        self.token = token
        self.refusal = None
        self.attempt = 2

    def judge(self, response: ResponseLike) -> None:
        """Ask every component for its verdict. One that wants re-authentication is enough.

        It happens only where it could help: a token of ours was refused, and the refusal was read to its end.
        """
        self.refused = None
        for on_response in self.judges:
            if on_response(self, response) is REAUTHENTICATE and self.refusal and self.refusal.complete:
                self.refused = self.token


class Component(Protocol):
    """A part of the pipeline: a class with one or both of these, neither of which does I/O.

    One that may answer ``REAUTHENTICATE`` names the statuses whose bodies it must see in ``judges``, and stands outside the
    token provider.
    """

    def on_request(self, exchange: Exchange, /) -> None:
        """Look at the request, write to ``exchange.headers``, or raise a :class:`PolicyError` to refuse it."""

    def on_response(self, exchange: Exchange, response: ResponseLike, /) -> Verdict | None:
        """Judge the response. None means ``DELIVER``."""


class Watcher(Protocol):
    """What a component may have besides: it then sees every request as it is sent, on its way to the server.

    First and second tries, requests that pass bare, and token requests: whatever the shells send.
    """

    def on_send(self, request: RequestLike, /, *, for_token: bool) -> None:
        """It is about to be sent. Raise a :class:`PolicyError` to refuse it; but not a request for a token."""

    def on_sent(self, request: RequestLike, status: int | None, /) -> None:
        """It was answered. None: there is no answer, because of an error, or because the caller was cancelled."""


OnRequest = Callable[[Exchange], None]
OnResponse = Callable[[Exchange, ResponseLike], "Verdict | None"]


class _Layer(NamedTuple):
    """A component's two functions, an absent one as None."""

    on_request: OnRequest | None
    on_response: OnResponse | None


class Pipeline:
    """Components in their order, outermost first, the token provider among them.

    What stands outside (before) the provider runs once per call and before any token; what stands inside runs for every
    attempt, with ``exchange.token`` set. Responses travel the other way.

    Raises:
        ConfigurationError: no provider or two; nothing inside the provider that presents the token; a component that judges
            refusals inside the provider; something that is no component.
    """

    def __init__(self, components: Iterable[Any]) -> None:
        from .telemetry.tally import LEDGER, name_of

        self.components = tuple(components)
        places = [place for place, component in enumerate(self.components) if _is_provider(component)]
        if len(places) != 1:
            raise ConfigurationError(
                f"A pipeline has one token provider; this one has {len(places)}.",
                remedy="Put exactly one token provider into the list, before the header injector.",
            )
        place = places[0]
        self.provider = self.components[place]
        self.watchers: tuple[Watcher, ...] = tuple(filter(_is_watcher, self.components))
        self.tally = LEDGER.of(name_of(self.provider))
        self.tally.know(self.provider)
        outside, inside = self.components[:place], self.components[place + 1 :]
        _check_inside(inside)
        self.statuses: frozenset[int] = frozenset().union(*(getattr(component, "judges", ()) for component in outside))
        self.gives_way = getattr(next(filter(_hears_requests, inside)), "gives_way", False)
        layers = [_layer(component) for component in outside]
        self.outer_requests = tuple(layer.on_request for layer in layers if layer.on_request)
        self.inner_requests = tuple(layer.on_request for layer in map(_layer, inside) if layer.on_request)
        self.responses = _innermost_first([*layers, *map(_layer, inside)])
        self._bare_responses = {
            layer.on_request: _innermost_first(layers[: depth + 1]) for depth, layer in enumerate(layers) if layer.on_request
        }

    def admit(self, exchange: Exchange) -> None:
        """Run what stands outside the provider, and note who is to judge the response: fewer for a request that passes bare."""
        for on_request in self.outer_requests:
            on_request(exchange)
            if exchange.bare:
                exchange.judges = self._bare_responses[on_request]
                return
        exchange.judges = self.responses

    def __repr__(self) -> str:
        return f"Pipeline([{', '.join(type(component).__name__ for component in self.components)}])"


def _is_authorization(pair: tuple[bytes, bytes]) -> bool:
    return pair[0].lower() == b"authorization"


def _hears_requests(component: object) -> bool:
    return hasattr(component, "on_request")


def _is_watcher(component: object) -> bool:
    return hasattr(component, "on_send") and hasattr(component, "on_sent")


def _is_provider(component: object) -> bool:
    return hasattr(component, "get_token") and hasattr(component, "current")


def _layer(component: object) -> _Layer:
    layer = _Layer(getattr(component, "on_request", None), getattr(component, "on_response", None))
    if isinstance(component, type) or not (callable(layer.on_request) or callable(layer.on_response)):
        raise ConfigurationError(
            f"{component!r} is no pipeline component.",
            remedy="A component is an instance with on_request(exchange), on_response(exchange, response), or both.",
        )
    return layer


def _innermost_first(layers: list[_Layer]) -> tuple[OnResponse, ...]:
    return tuple(layer.on_response for layer in reversed(layers) if layer.on_response)


def _check_inside(inside: tuple[Any, ...]) -> None:
    judges = [type(component).__name__ for component in inside if getattr(component, "judges", None)]
    if judges:
        raise ConfigurationError(
            f"{', '.join(judges)} asks for re-authentication from inside the token provider.",
            remedy="Move it before the token provider: what stands after it runs again for every attempt.",
        )
    if not any(map(_hears_requests, inside)):
        raise ConfigurationError(
            "Nothing after the token provider presents the token.",
            remedy="Put HeaderInjector() after the token provider.",
        )
