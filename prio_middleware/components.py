"""Components that others wrote, found by the name that settings give: an entry point, or a dotted path."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from .errors import ConfigurationError
from .nearest import did_you_mean

GROUP = "prio_middleware.components"
"""The group of entry points under which packages register their components."""

BUILT_IN = (
    "https_enforcer",
    "budget_guard",
    "origin_guard",
    "application_info",
    "revocation_handler",
    "token_provider",
    "header_injector",
)
"""The components of this package, in the order of the default pipeline. They are made from settings of their own."""

OPT_IN = frozenset({"budget_guard"})
"""Those that the default pipeline has only where there are settings for them."""

Factory = Callable[..., Any]


def make_component(use: str, options: Mapping[str, Any], client: str | None = None) -> Any:
    """A component that is not of this package.

    Args:
        use: the name of an entry point, or ``package.module:Class``.
        options: the arguments it is made with.
        client: the client whose settings name it, for errors.

    Raises:
        ConfigurationError: there is no such component, it cannot be imported or made, or it does not take these options.
    """
    factory = _find(use)
    made = factory if isinstance(factory, ConfigurationError) else _make(use, factory, options)
    if isinstance(made, ConfigurationError):
        raise made.copy(client=client)
    return made


def _find(use: str) -> Factory | ConfigurationError:
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
        return ConfigurationError(f"The component {use!r} cannot be imported: that raises {type(error).__name__}.")
    return found if callable(found) else ConfigurationError(f"The component {use!r} is neither a class nor a function.")


def _make(use: str, factory: Factory, options: Mapping[str, Any]) -> Any:
    try:
        inspect.signature(factory).bind(**options)
    except (TypeError, ValueError) as error:
        return ConfigurationError(f"The component {use!r} does not take its options: {error}.")
    try:
        return factory(**options)
    except ConfigurationError as error:
        return error.copy()
    except Exception as error:  # noqa: BLE001 - somebody else's constructor may raise anything
        return ConfigurationError(f"The component {use!r} cannot be made: it raises {type(error).__name__}.")
