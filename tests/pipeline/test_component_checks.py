"""Checks of a new pipeline: missing guards, and hooks that would never run."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from prio_middleware import (
    ConfigurationError,
    Exchange,
    HeaderInjector,
    HTTPSEnforcer,
    OriginGuard,
    Pipeline,
    StaticTokenProvider,
)
from prio_middleware.pipeline.component_checks import built_in, is_built_in

API = "https://api.example"
PROVIDER = StaticTokenProvider("fixed")
HTTPS, ORIGIN, INJECTOR = HTTPSEnforcer(), OriginGuard([API]), HeaderInjector()
ENDS_ONCE = re.compile(r"[^.?][.?]$")  # A sentence ends with one mark, also after a suggestion.


class Mine:
    """Component of a user."""

    def on_request(self, exchange: Exchange) -> None:
        pass


class StricterEnforcer(HTTPSEnforcer):
    pass


class StricterGuard(OriginGuard):
    def on_request(self, exchange: Exchange) -> None:
        super().on_request(exchange)


def refusal(*components: Any, **options: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        Pipeline(components, **options)
    return caught.value


def with_guards(*components: Any) -> Pipeline:
    return Pipeline([HTTPS, ORIGIN, *components])


WITHOUT_GUARDS: list[tuple[list[Any], list[str], str]] = [
    ([ORIGIN, PROVIDER, INJECTOR], ["https_enforcer is missing", "HTTPSEnforcer()"], "origin_guard is"),
    ([HTTPS, PROVIDER, INJECTOR], ["origin_guard is missing", "OriginGuard(["], "https_enforcer is"),
    (
        [Mine(), PROVIDER, INJECTOR],
        [
            "https_enforcer is missing",
            "; origin_guard is missing",
            "HTTPSEnforcer(), OriginGuard([",
            '"https_enforcer", "origin_',
        ],
        "stands after",
    ),
    ([HTTPS, PROVIDER, ORIGIN, INJECTOR], ["origin_guard stands after"], "https_enforcer is"),
    ([ORIGIN, PROVIDER, INJECTOR, StricterEnforcer()], ["https_enforcer stands after"], "origin_guard is"),
]


@pytest.mark.pitfall(id="pipeline-without-guards")
def test_a_guard_that_is_missing_or_behind_the_provider_is_named(subtests: pytest.Subtests) -> None:
    for components, named, unnamed in WITHOUT_GUARDS:
        with subtests.test(f"{named}"):
            error = refusal(*components)

            assert [text for text in named if text not in str(error)] == []
            assert unnamed not in str(error)
            assert 'waive=["' in str(error.remedy)


def test_guards_and_their_subclasses_may_precede_the_provider_in_any_order(
    subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture
) -> None:
    orders: list[list[Any]] = [
        [HTTPS, ORIGIN],
        [ORIGIN, HTTPS],
        [StricterEnforcer(), Mine(), StricterGuard([API])],
        [HTTPS, ORIGIN, HTTPS],
    ]
    for outside in orders:
        with subtests.test(f"{[type(one).__name__ for one in outside]}"):
            Pipeline([*outside, PROVIDER, INJECTOR])
            assert caplog.records == []


WAIVERS: list[tuple[list[Any], Any]] = [
    ([Mine(), ORIGIN, PROVIDER, INJECTOR], ["https_enforcer"]),
    ([Mine(), ORIGIN, PROVIDER, INJECTOR], "https_enforcer"),
    ([HTTPS, PROVIDER, INJECTOR, ORIGIN], ["origin_guard"]),
    ([PROVIDER, INJECTOR], ["origin_guard", "https_enforcer"]),
]


@pytest.mark.pitfall(id="pipeline-without-guards")
def test_a_waiver_is_logged_once(subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture) -> None:
    for components, waive in WAIVERS:
        with subtests.test(f"{waive!r}"):
            caplog.clear()
            assert Pipeline(components, waive=waive).provider is PROVIDER

            [record] = caplog.records
            assert (record.name, record.levelno) == ("prio_middleware", logging.WARNING)
            assert "'default'" in record.getMessage()
            assert (vars(record)["prio_event"], vars(record)["prio_client"]) == ("waived_guard", "default")
            names = {waive} if isinstance(waive, str) else {*waive}
            assert {*re.findall(r"(\w+) is waived", record.getMessage())} == names


NO_WAIVERS: list[tuple[list[Any], list[str], str]] = [
    ([HTTPS, ORIGIN], ["https_enforcer"], "contains and waives https_enforcer"),
    ([HTTPS, StricterGuard([API])], ["https_enforcer", "origin_guard"], "contains and waives https_enforcer and origin_guard"),
    ([HTTPS, ORIGIN], ["orign_guard"], "did you mean 'origin_guard'?"),
    ([HTTPS, ORIGIN], ["xyzzy"], "there are https_enforcer and origin_guard"),
    ([HTTPS, ORIGIN], ["revocation_handler"], "revocation_handler needs no waiver"),
]


def test_waivers_that_waive_nothing_are_refused(subtests: pytest.Subtests) -> None:
    for components, waive, expected in NO_WAIVERS:
        with subtests.test(f"{waive}"):
            error = refusal(*components, PROVIDER, INJECTOR, waive=waive)
            assert expected in error.message
            assert ENDS_ONCE.search(error.message)
            assert "waive" in error.remedy


async def a_coroutine(*_: object, **__: object) -> None:
    pass


def a_generator(*_: object, **__: object) -> Iterator[None]:
    yield


async def an_async_generator(*_: object, **__: object) -> AsyncIterator[None]:
    yield


class Called:
    async def __call__(self, *_: object) -> None:
        pass


def nothing() -> None:
    pass


def component(**functions: Any) -> Any:
    """Return a component of class ``Own`` with these methods, and a valid ``on_request``."""
    methods = {name: staticmethod(function) if callable(function) else function for name, function in functions.items()}
    return type("Own", (Mine,), methods)()


def takes_two(request: object, status: object) -> None:
    pass


WELL = {"before_send": lambda request, *, for_token: None, "after_send": takes_two}


WRONG_HOOKS: list[tuple[dict[str, Any], str, str]] = [
    ({"on_request": a_coroutine}, "Own.on_request is a coroutine function", "def on_request(self, exchange)"),
    ({"on_request": functools.partial(a_coroutine, 1)}, "Own.on_request is a coroutine function", "def on_request("),
    ({"on_request": Called()}, "Own.on_request is a coroutine function", "def on_request("),
    ({"on_response": a_generator}, "Own.on_response is a generator", "def on_response(self, exchange, response)"),
    ({"on_response": an_async_generator}, "Own.on_response is a generator", "def on_response("),
    ({"on_request": nothing}, "Own.on_request does not accept", "def on_request(self, exchange)"),
    ({"on_response": nothing}, "does not accept the arguments that it gets (exchange, response).", "def on_response("),
    ({"on_request": 3}, "Own.on_request is not a function but int", "def on_request("),
    (
        {"on_respnse": takes_two},
        "Own.on_respnse is never called: there is no such hook; did you mean 'on_response'?",
        "Rename",
    ),
    ({"on_reponse": nothing}, "did you mean 'on_response'?", "Rename"),
    ({"on_request": None, "on_requests": nothing}, "did you mean 'on_request'?", "def on_request("),
    ({"on_request": None, "onRequest": nothing, "on_response": takes_two}, "did you mean 'on_request'?", "Rename"),
    ({"on_response": None, "on_reponse": takes_two}, "did you mean 'on_response'?", "Rename"),
    (
        {"before_sends": WELL["before_send"]},
        "Own.before_sends is never called: there is no such hook; did you mean 'before_send'?",
        "Rename",
    ),
    ({"after_sent": WELL["after_send"]}, "did you mean 'after_send'?", "def after_send(self, request, status)"),
    ({"before_send": WELL["before_send"], "after_sent": WELL["after_send"]}, "did you mean 'after_send'?", "Rename"),
    ({**WELL, "before_send": takes_two}, "Own.before_send does not accept", "def before_send(self, request, *, for_token)"),
    ({**WELL, "after_send": a_coroutine}, "Own.after_send is a coroutine function", "def after_send(self, request, status)"),
    ({**WELL, "after_send": None}, "Own.before_send is never called without after_send", "Add def after_send("),
    ({**WELL, "before_send": None}, "Own.after_send is never called without before_send", "Add def before_send("),
    ({"refusal_statuses": 403}, "Own.refusal_statuses is not a set of statuses", "frozenset"),
    ({"refusal_statuses": {"403"}}, "Own.refusal_statuses is not a set of statuses", "frozenset"),
]


@pytest.mark.pitfall(id="hooks-that-never-run")
def test_a_hook_that_would_not_run_is_refused(subtests: pytest.Subtests) -> None:
    for functions, about, right in WRONG_HOOKS:
        with subtests.test(f"{about}"):
            own = component(**functions)
            for components in ([HTTPS, ORIGIN, own, PROVIDER, INJECTOR], [HTTPS, ORIGIN, PROVIDER, INJECTOR, own]):
                error = refusal(*components)
                assert about in error.message
                assert ENDS_ONCE.search(error.message)
                assert right in error.remedy
                assert re.fullmatch(r"[A-Z].*[^.?][.?]", error.remedy)


class Nested:
    @classmethod
    def on_respose(cls, exchange: object, response: object) -> None:
        pass


def test_a_misspelt_class_method_is_refused() -> None:
    assert "Nested.on_respose is never called" in refusal(HTTPS, ORIGIN, Nested(), PROVIDER, INJECTOR).message


class Plain(Mine):
    """Component with other members than hooks."""

    response = "a text"
    on_responses: tuple[Any, ...] = ()

    def __init__(self) -> None:
        self.requests: list[object] = []

    @property
    def on_reponse(self) -> Any:
        raise AssertionError("properties are not run")

    def on_requests(self) -> None:
        """Not misspelt: there is an ``on_request`` beside it."""

    def request(self) -> None: ...

    def on_resume(self) -> None: ...

    def before_end(self) -> None: ...

    def _on_respnse(self) -> None: ...


class Dynamic(Mine):
    """Component that lists a name which its class does not have."""

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), "on_responses"]


def test_hooks_that_will_do(subtests: pytest.Subtests) -> None:
    for own in [
        Plain(),
        Dynamic(),
        component(**WELL),
        component(on_response=lambda exchange, response, verbose=False: None),
        component(on_request=lambda *arguments: None),
        component(on_request=type),  # It has no signature.
        component(on_response=None),
        component(on_request=print),
        component(refusal_statuses=[401, 403]),
    ]:
        with subtests.test(f"{list(vars(type(own)))}"):
            assert own in with_guards(own, PROVIDER, INJECTOR).components


class Provider:
    """Token provider of a user."""

    client = "shop"

    def current(self, options: object, rejected: object) -> None: ...
    def get_token(self, options: object, rejected: object, send: object, *, max_wait: object) -> None: ...
    async def aget_token(self, options: object, rejected: object, send: object, *, max_wait: object) -> None: ...
    def invalidate(self, token: object) -> None: ...


GET_TOKEN = "def get_token(self, options, rejected, send, *, max_wait)"


def provider(**functions: Any) -> Any:
    methods = {name: staticmethod(function) if callable(function) else function for name, function in functions.items()}
    return type("Vault", (Provider,), methods)()


@functools.wraps(a_coroutine)
def handing_on(*arguments: object) -> Any:
    return a_coroutine(*arguments)


def with_defaults(options: object, rejected: object, send: object, *, max_wait: float | None = None) -> None:
    pass


def asking_for_more(options: object, rejected: object, send: object, *, tenant: str) -> None:
    pass


def test_token_providers_that_will_do(subtests: pytest.Subtests) -> None:
    for own in [provider(), provider(aget_token=handing_on), provider(get_token=with_defaults)]:
        with subtests.test(f"{list(vars(type(own)))}"):
            assert with_guards(own, INJECTOR).provider is own


WRONG_PROVIDERS: list[tuple[Any, str, str]] = [
    (
        provider(get_token=a_coroutine),
        "Vault.get_token is a coroutine function",
        GET_TOKEN,
    ),
    (provider(current=a_coroutine), "Vault.current is a coroutine function", "def current(self, options, rejected)"),
    (provider(invalidate=a_coroutine), "Vault.invalidate is a coroutine function", "def invalidate(self, token)"),
    (
        provider(aget_token=takes_two),
        "Vault.aget_token is not a coroutine function",
        "async def aget_token(self, options, rejected, ",
    ),
    (provider(aget_token=an_async_generator), "Vault.aget_token is a generator function", "async def aget_token("),
    (type("Vault", (), {"current": Provider.current, "get_token": Provider.get_token})(), "Vault.aget_token is missing", "Add"),
    (provider(aget_token=None), "Vault.aget_token is missing", "Add async def aget_token("),
    (provider(get_token=takes_two), "Vault.get_token does not accept", GET_TOKEN),
    (
        provider(get_token=asking_for_more),
        "Vault.get_token does not accept",
        GET_TOKEN,
    ),
    (Provider, "Provider is a class", "Provider(...)"),
]


@pytest.mark.pitfall(id="hooks-that-never-run")
def test_a_token_provider_with_a_function_of_the_wrong_kind_is_refused(subtests: pytest.Subtests) -> None:
    for own, about, right in WRONG_PROVIDERS:
        with subtests.test(f"{about}"):
            error = refusal(HTTPS, ORIGIN, own, INJECTOR)

            assert about in error.message
            assert right in str(error.remedy)


class SilentInjector(HeaderInjector):
    def on_request(self, exchange: Exchange) -> None:
        pass


class TypedInjector(HeaderInjector):
    pass


def test_a_hook_is_built_in_unless_it_is_overridden(subtests: pytest.Subtests) -> None:
    assert built_in("header_injector")(HeaderInjector) is HeaderInjector
    for name, hook, expected in [
        ("header_injector", INJECTOR.on_request, True),
        ("header_injector", TypedInjector().on_request, True),
        ("header_injector", SilentInjector().on_request, False),
        ("header_injector", nothing, False),  # A function without a class.
        ("https_enforcer", INJECTOR.on_request, False),
        ("unknown", INJECTOR.on_request, False),
        ("unknown", nothing, False),
    ]:
        with subtests.test(f"{name}, {hook}"):
            assert is_built_in(name, hook) is expected
