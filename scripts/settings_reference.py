"""Write docs/reference/settings.md from the settings' JSON Schema: ``python scripts/settings_reference.py``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from prio_middleware.settings.document import Document
from prio_middleware.settings.layers import variable
from prio_middleware.settings.models import (
    Application,
    BudgetGuardTable,
    ClientTable,
    ConnectionSettings,
    CredentialSettings,
    PipelineSettings,
    PresetBased,
    RejectionSettings,
    ServerSettings,
    SharingSettings,
    TokenRequestSettings,
)
from prio_middleware.settings.token_store import TokenStore
from scripts.settings_schema import json_schema

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "settings.md"

GROUPS: Mapping[type[BaseModel], str] = {
    PresetBased: "Preset",
    ServerSettings: "Server",
    CredentialSettings: "Credentials",
    TokenRequestSettings: "Token requests",
    ConnectionSettings: "Connections",
    SharingSettings: "Sharing tokens",
    RejectionSettings: "Rejected tokens",
    PipelineSettings: "Pipeline",
    ClientTable: "Application",
    Document: "Several clients",
}

TABLES: Mapping[str, type[BaseModel]] = {"app": Application, "budget_guard": BudgetGuardTable, "token_store": TokenStore}

HEAD = """\
# Settings

This page lists every setting, with its default and the variable that sets it. In a file, a setting has the same name in lower
case: `PRIO_SCOPE` is `scope` in `prio.toml`. The settings of a client called berlin are in the table `[clients.berlin]`, or in
variables that begin with `PRIO_CLIENTS__BERLIN__`. [Configure clients](../how-to/configure.md) describes the sources and their
precedence.

This page is generated from the JSON Schema of `prio.toml` by `python scripts/settings_reference.py`.
"""


def page() -> str:
    """Return the text of the page."""
    schema = json_schema()
    return HEAD + "".join(_group(model, title, schema) for model, title in GROUPS.items())


def _group(model: type[BaseModel], title: str, schema: Mapping[str, Any]) -> str:
    own = {name: schema["properties"][name] for name in model.model_fields if name in vars(model)["__annotations__"]}
    shown = (item for name, field in own.items() for item in _within(name, field, schema))
    return f"\n## {title}\n" + "".join(_setting(name, field) for name, field in shown)


def _within(name: str, field: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a setting, or the settings of its table."""
    if name not in TABLES:
        yield name, field
    else:
        fields = schema["$defs"][TABLES[name].__name__]["properties"]
        yield from ((f"{name}.{key}", fields[key]) for key in TABLES[name].model_fields)


def _setting(name: str, field: Mapping[str, Any]) -> str:
    facts = [*_values(field), *_default(field)]
    if name != "clients":
        facts.append(f"`{variable(tuple(name.split('.')))}`")
    return f"\n### {name}\n\n{' · '.join(facts)}\n\n{field['description']}\n"


def _values(field: Mapping[str, Any]) -> Iterator[str]:
    """Yield the type and the bounds of the setting."""
    if "enum" in field:
        yield "one of " + ", ".join(f'`"{value}"`' for value in field["enum"])
    elif "anyOf" in field:
        yield "list, or text with commas between the items"
    else:
        kind: str = field.get("format", field["type"])
        yield {"object": "table", "array": "list"}.get(kind, kind)
    bounds = {
        "exclusiveMinimum": "more than {}",
        "minimum": "{} or more",
        "exclusiveMaximum": "less than {}",
        "maximum": "{} or less",
    }
    yield from (text.format(field[key]) for key, text in bounds.items() if key in field)


def _default(field: Mapping[str, Any]) -> Iterator[str]:
    if field.get("default", "") != "":
        yield f"default: `{json.dumps(field['default'])}`"


if __name__ == "__main__":
    PAGE.write_text(page())
