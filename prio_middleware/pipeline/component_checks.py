"""Checks of components, guards and token providers when a pipeline is built: a hook that would never run is an error."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from .._util.did_you_mean import nearest
from ..errors import ConfigurationError
from .registry import GUARDS, waiver_problem

LIKENESS = 0.85  # Likeness (0 to 1) from which a name counts as a misspelt hook. ``request`` is less like ``on_request``.

_WAIVER = 'To leave a guard out, waive it by name: waive=["https_enforcer"], waive=["origin_guard"].'

_Class = TypeVar("_Class", bound=type[Any])

_built_in: dict[str, type[Any]] = {}


def built_in(name: str) -> Callable[[_Class], _Class]:
    """Register the decorated class as the built-in component ``name``. Its subclasses count as that component too."""

    def register(component: _Class) -> _Class:
        _built_in[name] = component
        return component

    return register


class Signature(NamedTuple):
    """Arguments with which a hook or a token provider's function is called. Keyword arguments are always passed."""

    positional: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    is_async: bool = False  # The function is awaited.

    def definition(self, name: str) -> str:
        """Return the ``def`` line of a function called ``name``."""
        arguments = ["self", *self.positional, *(["*", *self.keywords] if self.keywords else [])]
        return f"{'async ' if self.is_async else ''}def {name}({', '.join(arguments)})"

    def fits(self, function: Any) -> bool:
        """Return True if ``function`` accepts these arguments, or its parameters are unknown."""
        try:
            parameters = inspect.signature(function)
        except (TypeError, ValueError):
            return True
        try:
            parameters.bind(*self.positional, **dict.fromkeys(self.keywords))
        except TypeError:
            return False
        return True


HOOKS: Mapping[str, Signature] = {
    "on_request": Signature(("exchange",)),
    "on_response": Signature(("exchange", "response")),
    "before_send": Signature(("request",), keywords=("for_token",)),
    "after_send": Signature(("request", "status")),
}
"""Hooks of a component: at least one, and both of the last two or neither."""

PROVIDER: Mapping[str, Signature] = {
    "current": Signature(("options", "rejected")),
    "get_token": Signature(("options", "rejected", "send"), keywords=("max_wait",)),
    "aget_token": Signature(("options", "rejected", "send"), keywords=("max_wait",), is_async=True),
    "invalidate": Signature(("token",)),
}
"""Functions of a token provider, all required."""


def check_component(component: object) -> None:
    """Check the hooks of a component.

    Raises:
        ConfigurationError: a hook would never run, or does not accept its arguments.
    """
    present = [name for name in HOOKS if getattr(component, name, None) is not None]
    for name in present:
        _check_function(component, name, HOOKS[name])
    for name in HOOKS:
        if name not in present:
            _check_spelling(component, name)
    for name, other in (("before_send", "after_send"), ("after_send", "before_send")):
        if name in present and other not in present:
            raise _error(component, name, f"is never called without {other}", f"Add {HOOKS[other].definition(other)}.")
    statuses = getattr(component, "refusal_statuses", ())
    if not isinstance(statuses, Iterable) or not all(isinstance(status, int) for status in statuses):
        raise ConfigurationError(
            f"{type(component).__name__}.refusal_statuses is not a set of statuses.",
            remedy="Write refusal_statuses = frozenset({401, 403}).",
        )


def check_provider(provider: object) -> None:
    """Check the functions of a token provider.

    Raises:
        ConfigurationError: one is missing or of the wrong kind.
    """
    if isinstance(provider, type):
        raise ConfigurationError(
            f"{provider.__name__} is a class, not a token provider.", remedy=f"Create an instance: {provider.__name__}(...)."
        )
    for name, signature in PROVIDER.items():
        if getattr(provider, name, None) is None:
            raise _error(provider, name, "is missing", f"Add {signature.definition(name)}.")
        _check_function(provider, name, signature)


def check_guards(outer: Sequence[object], inner: Sequence[object], waive: Iterable[str]) -> list[str]:
    """Check that each guard is among ``outer``, the components before the token provider, or waived. Return the risks to log.

    Raises:
        ConfigurationError: a guard is missing and not waived, or waived and present; a waived name is not that of a guard.
    """
    waived = tuple(waive)
    for name in waived:
        problem = waiver_problem(name)
        if problem:
            raise ConfigurationError(f"waive: {problem}{'' if problem.endswith('?') else '.'}", remedy=_WAIVER)
    absent = [name for name in GUARDS if not _has(name, outer)]
    needless = [name for name in waived if name not in absent]
    if needless:
        message = f"The pipeline both contains and waives {' and '.join(needless)}."
        raise ConfigurationError(message, remedy="Remove it from waive, or from the pipeline.")
    missing = [name for name in absent if name not in waived]
    if missing:
        problems = [
            f"{name} {'stands after' if _has(name, inner) else 'is missing before'} the token provider, "
            f"so {GUARDS[name].without}"
            for name in missing
        ]
        code, settings = ", ".join(GUARDS[name].code for name in missing), ", ".join(f'"{name}"' for name in missing)
        raise ConfigurationError(
            f"The pipeline is not safe: {'; '.join(problems)}.",
            remedy=f"Write Pipeline([{code}, ...]), or pipeline = [{settings}, ...] in settings. {_WAIVER}",
        )
    return [f"{name} is waived, so {GUARDS[name].without}" for name in absent]


def is_built_in(name: str, hook: object) -> bool:
    """Return True if ``hook`` is ``on_request`` of the built-in class itself, not an override of it."""
    function = getattr(hook, "__func__", None)
    return function is not None and function is getattr(_built_in.get(name), "on_request", None)


def _has(name: str, components: Sequence[object]) -> bool:
    guard = _built_in.get(name)
    return guard is not None and any(isinstance(component, guard) for component in components)


def _check_function(owner: object, name: str, signature: Signature) -> None:
    problem = _problem(getattr(owner, name), signature)
    if problem:
        raise _error(owner, name, problem, f"Write {signature.definition(name)}.")


def _problem(function: Any, signature: Signature) -> str | None:
    if not callable(function):
        return f"is not a function but {type(function).__name__}"
    forms = (function, function.__call__)  # The second covers objects with __call__.
    if any(inspect.isgeneratorfunction(form) or inspect.isasyncgenfunction(form) for form in forms):
        return "is a generator function (yield), so calling it does nothing"
    is_async = any(map(inspect.iscoroutinefunction, forms))
    if is_async and not signature.is_async:
        return "is a coroutine function (async def), which is not awaited here, so calling it does nothing"
    # A decorator's wrapper may return the coroutine of the function that it wraps.
    if signature.is_async and not (is_async or inspect.iscoroutinefunction(inspect.unwrap(function))):
        return "is not a coroutine function (async def), but it is awaited"
    if not signature.fits(function):
        return f"does not accept the arguments that it gets ({', '.join((*signature.positional, *signature.keywords))})"
    return None


def _check_spelling(component: object, hook: str) -> None:
    for name in dir(component):
        if not name.startswith("_") and name not in HOOKS and nearest(name, [hook], LIKENESS):
            found = inspect.getattr_static(component, name, None)  # Properties must not run.
            # ``before_end`` may be unrelated: it counts as misspelt only if it also accepts the arguments of the hook.
            if (callable(found) or isinstance(found, classmethod)) and (
                hook in {"on_request", "on_response"} or HOOKS[hook].fits(getattr(component, name))
            ):
                problem = f"is never called: there is no such hook; did you mean {hook!r}?"
                raise _error(component, name, problem, f"Rename it: {HOOKS[hook].definition(hook)}.")


def _error(owner: object, name: str, problem: str, remedy: str) -> ConfigurationError:
    stop = "" if problem.endswith("?") else "."
    return ConfigurationError(f"{type(owner).__name__}.{name} {problem}{stop}", remedy=remedy)
