"""Pipeline: an ordered list of components around a token provider.

It does no I/O. Components decide; the package ``transports`` fetches tokens and sends requests.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ..errors import ConfigurationError
from ..oauth.token_request import ACCOUNT, EXTENSION, TOKEN
from ..telemetry.logs import log
from .component_checks import check_component, check_guards, check_provider, is_built_in
from .exchange import CallerAuthorization, Exchange
from .protocols import OnRequest, OnResponse, RequestHook, ResponseHook, SendObserver

if TYPE_CHECKING:
    from .._util.secret import Secret
    from ..oauth.provider import TokenProvider
    from ..telemetry.counters import MetricsRegistry


class _Hooks(NamedTuple):
    on_request: OnRequest | None
    on_response: OnResponse | None


class Pipeline:
    """Components in order, outermost first, with the token provider among them.

    Request hooks before the provider run once per call, before there is a token. Those after it run for each attempt, with
    ``exchange.token`` set. Response hooks run each time, reversed.

    Args:
        components: the components, outermost first.
        waive: guards (``https_enforcer``, ``origin_guard``) that may be missing before the provider, because a component of
            your own replaces them. Each pipeline with a waiver logs a warning.
        registry: registry of the counters, which clients of the same name share. Default: the counters of the provider.

    Raises:
        ConfigurationError: there is no provider, or more than one; a guard is missing before it and not waived, or waived and
            present; no component after it presents the token; a component with ``refusal_statuses`` stands after it; an
            object is not a component; a hook or a provider's function is misspelt or of the wrong kind.
    """

    def __init__(
        self,
        components: Iterable[RequestHook | ResponseHook | SendObserver | TokenProvider],
        *,
        waive: Iterable[str] = (),
        registry: MetricsRegistry | None = None,
    ) -> None:
        from ..telemetry.counters import ClientCounters, client_name

        self.components: tuple[Any, ...] = tuple(components)
        providers = [each for each in self.components if hasattr(each, "get_token") and hasattr(each, "current")]
        if len(providers) != 1:
            raise ConfigurationError(
                f"A pipeline has one token provider; this one has {len(providers)}.",
                remedy="Put exactly one token provider into the list, before the header injector.",
            )
        self.provider = providers[0]
        check_provider(self.provider)
        index = next(index for index, component in enumerate(self.components) if component is self.provider)
        outer, inner = self.components[:index], self.components[index + 1 :]
        outer_hooks, inner_hooks = [*map(_hooks, outer)], [*map(_hooks, inner)]
        omits_token = getattr(self.provider, "omits_token", False)
        _check_inner(inner, omits_token=omits_token)
        risks = check_guards(outer, inner, [waive] if isinstance(waive, str) else waive)
        self.send_observers: tuple[SendObserver, ...] = tuple(
            component for component in self.components if getattr(component, "before_send", None) is not None
        )
        counters = getattr(self.provider, "counters", None)
        if registry is None:
            self.counters = counters if isinstance(counters, ClientCounters) else ClientCounters(client_name(self.provider))
        else:
            self.counters = registry.client(client_name(self.provider))
        self.counters.add_provider(self.provider)
        for component in self.components:
            if isinstance(getattr(component, "counters", None), ClientCounters):
                component.counters = self.counters
        self.changes_query = any(getattr(component, "changes_query", False) for component in self.components)
        if risks:
            name = self.counters.name
            log(logging.WARNING, "The pipeline of client %r: %s.", name, "; ".join(risks), event="waived_guard", client=name)
        self.refusal_statuses: frozenset[int] = frozenset().union(
            *(getattr(component, "refusal_statuses", ()) for component in outer)
        )
        self.outer_requests = tuple(hooks.on_request for hooks in outer_hooks if hooks.on_request)
        if omits_token:
            self.outer_requests += (_omit_token,)
        save_before = self._plan_caller_authorization(outer, inner)
        self.inner_requests = _inner_requests(outer_hooks, inner_hooks, save_before, self._policy)
        self.response_hooks = _innermost_first([*outer_hooks, *inner_hooks])
        self._bypass_responses = {
            hooks.on_request: _innermost_first(outer_hooks[: depth + 1])
            for depth, hooks in enumerate(outer_hooks)
            if hooks.on_request
        }

    def with_account(self, account: Callable[[], str | None]) -> Self:
        """Return a copy whose calls use the account that ``account()`` returns, unless a call names one itself.

        It returns a name, or None for the client's own account. It is called for each call.
        """
        made = copy.copy(self)
        made.outer_requests = (*self.outer_requests, partial(_name_account, account))
        return made

    def recent_secrets(self, provider: object = None) -> tuple[Secret, ...]:
        """Return the secrets that components and token provider used last. No error repeats them if a server echoes them.

        Args:
            provider: the token provider of the call's account. Default: the pipeline's own.
        """
        holders = (provider or self.provider, *(component for component in self.components if component is not self.provider))
        return tuple(secret for holder in holders for secret in getattr(holder, "recent_secrets", ()))

    def bypass_rest(self, exchange: Exchange, on_request: OnRequest) -> None:
        """Discard the headers of all components after a bypass by ``on_request``. Later components do not see the response."""
        exchange.response_hooks = self._bypass_responses[on_request]
        exchange.send_unchanged()

    def _plan_caller_authorization(self, outer: tuple[Any, ...], inner: tuple[Any, ...]) -> int | None:
        """Decide when the policy for the caller's own ``Authorization`` header is applied.

        An injector with ``handles_caller_authorization`` applies it at no cost to other calls. Components before the injector
        may remove or change the header, so it is saved before the inner request hook with the returned index. For any other
        injector, the transports apply the policy before they fetch a token.
        """
        request_hooks = [component for component in inner if _has_request_hook(component)]
        handles = (index for index, each in enumerate(request_hooks) if getattr(each, "handles_caller_authorization", False))
        index = next(handles, None)
        injector = request_hooks[index or 0] if request_hooks else None
        self._policy: CallerAuthorization = getattr(injector, "caller_authorization", "keep")
        self.checks_authorization_early = index is None
        # A component between the provider and the injector may remove the header, so a token is fetched in any case.
        self.caller_authorization: CallerAuthorization = "replace" if index else self._policy
        # No component of this package that may stand before the injector changes the caller's header.
        package = __name__.partition(".")[0]
        before = [*filter(_has_request_hook, outer), *request_hooks[:index]]
        is_foreign = any(type(component).__module__.partition(".")[0] != package for component in before)
        return index if is_foreign else None

    def __repr__(self) -> str:
        return f"Pipeline([{', '.join(type(component).__name__ for component in self.components)}])"


def _has_request_hook(component: object) -> bool:
    return getattr(component, "on_request", None) is not None


def _hooks(component: object) -> _Hooks:
    hooks = _Hooks(getattr(component, "on_request", None), getattr(component, "on_response", None))
    if not isinstance(component, type):
        check_component(component)
        if any(hooks) or getattr(component, "before_send", None) is not None:
            return hooks
    raise ConfigurationError(
        f"{component!r} is not a pipeline component.",
        remedy="A component is an instance with on_request(exchange), on_response(exchange, response), or both; "
        "or with before_send() and after_send().",
    )


def _inner_requests(
    outer: list[_Hooks], inner: list[_Hooks], save_before: int | None, policy: CallerAuthorization
) -> tuple[OnRequest, ...]:
    """Return the request hooks that run for each attempt.

    If the header injector is the only one, its hook runs as it is. Any other component may decide to send the request without a
    token (``bypass()``, ``token = None``, ``options = None``), so the headers are then reset, the rest skipped. Before the
    hook with the index ``save_before``, the caller's own ``Authorization`` header is saved; ``policy`` is the policy for that
    header.
    """
    steps = [
        (hooks.on_request, _innermost_first([*outer, *inner[: depth + 1]]))
        for depth, hooks in enumerate(inner)
        if hooks.on_request
    ]
    is_plain = len(steps) == 1 and is_built_in("header_injector", steps[0][0])
    if save_before is not None:
        steps.insert(save_before, (Exchange.save_caller_authorization, steps[save_before][1]))
    if is_plain:
        return tuple(on_request for on_request, _ in steps)

    def run_inner(exchange: Exchange) -> None:
        carries_token = exchange.token is not None
        for on_request, response_hooks in steps:
            on_request(exchange)
            if exchange.bypassed or (carries_token and (exchange.token is None or exchange.options is None)):
                if not exchange.bypassed:
                    exchange.caller_authorization = policy
                    if exchange.use_caller_authorization():
                        carries_token = False
                        continue
                exchange.response_hooks = response_hooks
                exchange.send_unchanged()
                return

    return (run_inner,)


def _innermost_first(layers: list[_Hooks]) -> tuple[OnResponse, ...]:
    return tuple(hooks.on_response for hooks in reversed(layers) if hooks.on_response)


def _name_account(account: Callable[[], object], exchange: Exchange) -> None:
    given = exchange.request.extensions.get(EXTENSION)
    is_named = isinstance(given, Mapping) and (ACCOUNT in given or given.get(TOKEN) is False)
    if is_named or exchange.options is None or exchange.options.account is not None:
        return
    name = account()
    if not isinstance(name, str | None):
        raise ConfigurationError(
            f"The function of accounts returned {type(name).__name__}, not a name.",
            client=exchange.client,
            url=exchange.request.url,
            remedy="Return the name of an account, or None for the client's own.",
        )
    exchange.options = exchange.options._replace(account=name)


def _omit_token(exchange: Exchange) -> None:
    exchange.options = None


def _check_inner(inner: tuple[Any, ...], *, omits_token: bool) -> None:
    names = [type(component).__name__ for component in inner if getattr(component, "refusal_statuses", None)]
    if names:
        raise ConfigurationError(
            f"{', '.join(names)} asks for re-authentication from inside the token provider.",
            remedy="Move it before the token provider: components after it run again for each attempt.",
        )
    if not omits_token and not any(map(_has_request_hook, inner)):
        raise ConfigurationError(
            "No component after the token provider presents the token.", remedy="Put HeaderInjector() after the token provider."
        )
