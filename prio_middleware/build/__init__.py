"""From settings to a pipeline, and to the options of the library's client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from ..components import BUILT_IN, OPT_IN, make_component
from ..errors import ConfigurationError
from ..middleware import ApplicationInfo, BudgetGuard, HeaderInjector, HTTPSEnforcer, OriginGuard, RevocationHandler, budget
from ..pipeline import Pipeline
from ..presets import PRESETS
from ..settings import ClientSettings, Settings
from ..settings.budget import BudgetGuardTable
from .options import client_options
from .provider import build_provider
from .sharing import forget_stores

if TYPE_CHECKING:
    from ..transports.library import HTTPLibrary

__all__ = ["Plan", "build_pipeline", "build_provider", "client_options", "forget", "pipeline_for", "plan"]

PIPELINES_LIMIT = 1024
"""How many pipelines are kept for clients to come. A client keeps its own."""

_pipelines: dict[ClientSettings, Pipeline] = {}


class Plan(NamedTuple):
    """What a client is made of.

    Attributes:
        name: the client's name in errors and telemetry.
        base_url: the API's URL.
        pipeline: the components, shared by all clients of this process whose settings are equal: so is the token.
        options: what the settings say of the library client's own options.
    """

    name: str
    base_url: str
    pipeline: Pipeline
    options: dict[str, Any]


def plan(name: str | None, settings: Settings | ClientSettings | None, library: HTTPLibrary) -> Plan:
    """What the client called ``name`` is made of.

    Raises:
        ConfigurationError: the settings are incomplete or wrong.
    """
    if not isinstance(settings, ClientSettings):
        settings = (settings or Settings()).client(name)
    return Plan(settings.name, settings.base_url, pipeline_for(settings), client_options(settings, library))


def pipeline_for(settings: ClientSettings) -> Pipeline:
    """The pipeline for ``settings``: one in each process."""
    known = _pipelines.get(settings)
    if known is None:
        if len(_pipelines) >= PIPELINES_LIMIT:
            _pipelines.pop(next(iter(_pipelines)), None)
        known = _pipelines.setdefault(settings, build_pipeline(settings))
    return known


def forget() -> None:
    """Keep no pipeline, and so no token, for clients to come: each test starts afresh."""
    _pipelines.clear()
    forget_stores()
    budget.forget()


def build_pipeline(settings: ClientSettings) -> Pipeline:
    """A new pipeline for ``settings``: the components they declare, or the default ones.

    Raises:
        ConfigurationError: a component or the credentials cannot be used.
    """
    try:
        pipeline = Pipeline(_components(settings))
    except ConfigurationError as error:
        failure = error
    else:
        pipeline.tally.client_error_limit = _limits(settings)[0]
        return pipeline
    raise failure.copy(client=settings.name)


def _components(settings: ClientSettings) -> list[Any]:
    built_in: dict[str, Callable[[], Any]] = {
        "https_enforcer": lambda: HTTPSEnforcer(settings.loopback_http_hosts),
        "budget_guard": lambda: _budget_guard(settings),
        "origin_guard": lambda: OriginGuard([settings.base_url, *settings.allowed_origins], settings.foreign_origins),
        "application_info": lambda: ApplicationInfo(**dict(settings.app)),
        "revocation_handler": lambda: RevocationHandler(PRESETS[settings.preset].refusals),
        "token_provider": lambda: build_provider(settings),
        "header_injector": HeaderInjector,
    }
    declared = [(component.use, dict(component.options)) for component in settings.pipeline]
    return [
        built_in[use]() if use in built_in else make_component(use, options, settings.name)
        for use, options in declared or [(use, {}) for use in _default(settings)]
    ]


def _default(settings: ClientSettings) -> Iterator[str]:
    """The default pipeline's components."""
    return (use for use in BUILT_IN if use not in OPT_IN or getattr(settings, use) is not None)


def _budget_guard(settings: ClientSettings) -> BudgetGuard:
    table = settings.budget_guard or BudgetGuardTable()
    client_errors, requests = _limits(settings)
    return BudgetGuard(
        settings.base_url,
        client_errors=client_errors,
        requests=requests,
        share=table.share,
        enforce=table.enforce,
        in_flight=table.in_flight,
        client=settings.name,
    )


def _limits(settings: ClientSettings) -> tuple[int | None, int | None]:
    """Answers 4xx, and requests, that the server takes in a minute, where that is known."""
    table, preset = settings.budget_guard or BudgetGuardTable(), PRESETS[settings.preset]
    return table.client_errors or preset.client_error_limit, table.requests or preset.request_limit
