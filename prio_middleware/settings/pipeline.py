"""The pipeline as settings declare it: the names of its components, with the options of those that have some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from ..components import BUILT_IN
from .budget import BudgetGuardTable
from .server import PresetBased
from .values import one_line, split_items

Option = str | int | float | bool | tuple[str | int | float | bool, ...]


class Component(NamedTuple):
    """One component of a declared pipeline.

    Attributes:
        use: the name of a built-in component, that of an entry point, or ``package.module:Class``.
        options: the arguments it is made with, sorted by name.
    """

    use: str
    options: tuple[tuple[str, Option], ...] = ()

    def __repr__(self) -> str:
        """Without the options' values: nobody but their author knows whether they are secrets."""
        return f"<Component {self.use} {', '.join(name for name, _ in self.options)}>" if self.options else self.use


def _component(value: object) -> Component:
    if isinstance(value, Component):
        return value
    table = {"use": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping) or not isinstance(use := table.get("use"), str):
        raise ValueError('expected a component\'s name, or a table such as {use = "package.module:Class", option = 1}')
    options = tuple((str(key), _option(table[key])) for key in sorted(table, key=str) if key != "use")
    if use in BUILT_IN and options:
        raise ValueError(f"{use} takes no options here: they are settings of their own")
    return Component(one_line(use), options)


def _option(value: object) -> Option:
    match value:
        case str() | int() | float():
            return value
        case list() | tuple() if all(isinstance(item, str | int | float) for item in value):
            return tuple(value)
        case _:
            raise ValueError("expected options that are strings, numbers, true or false, or lists of these")


def _as_table(component: Component) -> str | dict[str, Any]:
    return {"use": component.use, **{name: "**" for name, _ in component.options}} if component.options else component.use


_Component = Annotated[
    Component,
    PlainValidator(_component),
    PlainSerializer(_as_table),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"use": {"type": "string"}}, "required": ["use"]}]}
    ),
]


class DeclaredPipeline(PresetBased):
    """What happens to a request and its response, component by component."""

    budget_guard: BudgetGuardTable | None = None
    """Counts the server's 4xx answers and all requests of a minute, and refuses calls where it is asked to. Not there: off."""

    pipeline: Annotated[tuple[_Component, ...], BeforeValidator(split_items)] = Field(default=())
    """The pipeline's components, outermost first: https_enforcer, budget_guard (if there is a table of that name),
    origin_guard, application_info, revocation_handler, token_provider, header_injector (the default, in this order), and others
    by their entry point (group prio_middleware.components) or as package.module:Class. A component with options is a table: its
    name in the key "use", the options beside it."""
