"""The JSON Schema of ``prio.toml``, so that editors complete and check it.

``python -m prio_middleware.settings.schema`` prints it; ``schema.json`` beside this file holds it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from .document import Document


class _Plain(GenerateJsonSchema):
    """TOML has no null, an empty default says nothing, and keys speak for themselves without a title."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> dict[str, Any]:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if key != "default" or value not in (None, [], {})}


def json_schema() -> dict[str, Any]:
    """The schema (JSON Schema 2020-12)."""
    schema = Document.model_json_schema(schema_generator=_Plain)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": "Settings of prio_middleware"}


def schema_text() -> str:
    """The schema as ``schema.json`` holds it."""
    return json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
