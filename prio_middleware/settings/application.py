"""Settings that say which application calls: the API's optional ``App-*`` request headers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from .values import Pairs, Text


class Application(BaseModel):
    """The calling application. What is not given is not sent; nothing is found out by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)

    name: Text | None = None
    """App-Name."""

    version: Text | None = None
    """App-Version."""

    flavor: Text | None = None
    """App-Flavor."""

    package_name: Text | None = None
    """App-Package-Name."""

    build_number: Text | None = None
    """App-Build-Number."""

    platform: Text | None = None
    """App-Platform."""

    reference: Text | None = None
    """App-Reference."""

    machine_id: Text | None = None
    """App-Machine-ID."""

    extra: Pairs = ()
    """Further headers: the name's part after "App-", and its value."""
