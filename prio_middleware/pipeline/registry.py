"""Names of built-in components and guards, and the loading of third-party components by entry point or dotted path."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .._util.did_you_mean import did_you_mean
from ..errors import ConfigurationError

GROUP = "prio_middleware.components"  # Entry point group in which packages register their components.

BUILT_IN = (
    "https_enforcer",
    "budget_guard",
    "origin_guard",
    "application_info",
    "static_headers",
    "query_key",
    "revocation_handler",
    "token_provider",
    "header_injector",
)
"""Components of this package, in the order of the default pipeline. Each is built from settings of its own."""

OPT_IN = frozenset({"budget_guard", "static_headers", "query_key"})  # In the default pipeline only if settings configure them.


class Guard(NamedTuple):
    """Component that must stand before the token provider, unless it is waived by name."""

    code: str  # The expression that creates it, for error messages.
    without: str  # The risk of leaving it out.


GUARDS: Mapping[str, Guard] = {
    "https_enforcer": Guard("HTTPSEnforcer()", "a request may leave over plain HTTP, in the clear"),
    "origin_guard": Guard(
        'OriginGuard(["https://api.example.com"])', "the token and App-* headers go to whatever origin a request is for"
    ),
}


def waiver_problem(name: str) -> str | None:
    """Return the reason why ``name`` cannot be waived, or None if it is the name of a guard."""
    if name in GUARDS:
        return None
    if name in BUILT_IN:
        return f"{name} needs no waiver: a pipeline may omit it"
    return f"there is no guard {name!r}{did_you_mean(name, GUARDS) or '; there are ' + ' and '.join(GUARDS)}"


def make_component(use: str, options: Mapping[str, Any], client: str | None = None) -> Any:
    """Create a third-party component with ``options`` as keyword arguments.

    ``use`` is the name of an entry point, or ``package.module:Class``. ``client`` is the client's name, for errors.

    Raises:
        ConfigurationError: there is no such component, it cannot be imported or created, or it does not accept the options.
    """
    factory = _find(use)
    made = factory if isinstance(factory, ConfigurationError) else _make(use, factory, options)
    if isinstance(made, ConfigurationError):
        raise made.copy(client=client)
    return made


def _find(use: str) -> Callable[..., Any] | ConfigurationError:
    import pkgutil  # Slow to load, and every pipeline needs the names above.
    from importlib.metadata import entry_points

    registered = {entry.name: entry for entry in entry_points(group=GROUP)}
    if use not in registered and not {".", ":"} & set(use):
        return ConfigurationError(
            f"There is no component {use!r}{did_you_mean(use, [*BUILT_IN, *registered]) or '.'}",
            remedy=f"Install the package that registers it (entry points {GROUP}), or write package.module:Class.",
        )
    try:
        found = registered[use].load() if use in registered else pkgutil.resolve_name(use)
    except (ImportError, AttributeError) as error:
        return ConfigurationError(f"The component {use!r} cannot be imported: {error}.")
    except Exception as error:  # noqa: BLE001 - importing a module runs it, and it may raise anything
        return ConfigurationError(f"The component {use!r} cannot be imported: the import raises {type(error).__name__}.")
    return found if callable(found) else ConfigurationError(f"The component {use!r} is neither a class nor a function.")


def _make(use: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    try:
        inspect.signature(factory).bind(**options)
    except (TypeError, ValueError) as error:
        return ConfigurationError(f"The component {use!r} does not accept its options: {error}.")
    try:
        return factory(**options)
    except ConfigurationError as error:
        return error.copy()
    except Exception as error:  # noqa: BLE001 - a third-party constructor may raise anything
        return ConfigurationError(f"The component {use!r} cannot be created: it raises {type(error).__name__}.")
