"""JSON Schema of ``prio.toml``, with which editors complete and check the file.

``python -m scripts.settings_schema`` prints it. ``prio_middleware/settings/schema.json`` contains it.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from prio_middleware.settings.document import Document
from prio_middleware.settings.values import SettingsTable


class _Plain(GenerateJsonSchema):
    """Schema generator that leaves out null types (TOML has none), empty defaults, and titles that repeat the key."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        made = super().model_schema(schema)
        for name, text in _attribute_docstrings(schema["cls"]).items():
            made["properties"][name]["description"] = text
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> dict[str, Any]:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if key != "default" or value not in (None, [], {})}


def _attribute_docstrings(model: type[Any]) -> dict[str, str]:
    """Return the docstrings of a model's fields.

    pydantic's ``use_attribute_docstrings`` reads them whenever settings are imported, which doubles the time of that import.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, SettingsTable):
            continue
        [definition] = ast.parse(inspect.getsource(base)).body
        for field, text in pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as docstring)):
                    found[name] = inspect.cleandoc(docstring)
                case _:  # Another statement of the class.
                    pass
    return found


def json_schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12)."""
    schema = Document.model_json_schema(schema_generator=_Plain)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "Settings of prio_middleware"}


def schema_text() -> str:
    """Return the content of ``schema.json``."""
    return json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
