"""Document that contains all clients, and its nested variables, by pydantic-settings.

pydantic-settings takes almost as long to import as pydantic, so this module is imported only where a variable is nested, or the
schema is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from .client import NAME_PATTERN
from .models import ClientTable

ClientName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


class Document(ClientTable, BaseSettings):
    """Settings of prio_middleware.

    Keys at the top level describe the client "default". Named clients inherit them, except for the credentials.
    """

    model_config = SettingsConfigDict(env_prefix="PRIO_", env_nested_delimiter="__", enable_decoding=False)

    clients: dict[ClientName, ClientTable] = Field(default={}, json_schema_extra={"additionalProperties": False})
    """Named clients. Each inherits the top level's settings, except for the credentials."""


def nested(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the document that variables, named in lower case without the prefix, describe. Others are left out."""
    reader = EnvSettingsSource(Document)
    reader.env_vars = {f"prio_{name}": value for name, value in variables.items()}
    return reader()
