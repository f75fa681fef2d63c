"""Optional ``App-*`` request headers that identify the application to the API."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..errors import ConfigurationError
from ..oauth.access_token import FIELD_VALUE
from ..oauth.token_request import FIELD_NAME
from ..pipeline.exchange import REFERENCE, Exchange

SPAN_ATTRIBUTE: Final = "prio_middleware.app_reference"  # Attribute of the current span when a call gets a new reference.
UNIQUE: Final = "uuid"  # Value of ``reference`` for a new UUID with each call.


class ApplicationInfo:
    """Component that adds the given ``App-*`` headers. After the origin guard, they go to allowed origins only.

    Each argument is the value of the header of its name: ``build_number`` that of ``App-Build-Number``. A header that the
    caller's request already has is kept.

    Args:
        reference: App-Reference. ``"uuid"`` sends a new UUID with each call: Prio documents a unique reference, by which its
            support can find the request. A retry after re-authentication keeps it. It is also an attribute of the current span
            (``prio_middleware.app_reference``), and a note of the errors of the call.
        extra: further headers, by the part of their name after ``App-``.

    Raises:
        ConfigurationError: a name or value is not valid in a header, or a header is given twice.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        version: str | None = None,
        flavor: str | None = None,
        package_name: str | None = None,
        build_number: str | None = None,
        platform: str | None = None,
        reference: str | None = None,
        machine_id: str | None = None,
        extra: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    ) -> None:
        fields = {
            "Name": name,
            "Version": version,
            "Flavor": flavor,
            "Package-Name": package_name,
            "Build-Number": build_number,
            "Platform": platform,
            "Reference": reference,
            "Machine-ID": machine_id,
        }
        given = {key: value for key, value in fields.items() if value is not None}
        self._is_unique = given.get("Reference") == UNIQUE
        self.headers = _headers([*given.items(), *dict(extra).items()])

    def on_request(self, exchange: Exchange) -> None:
        """Add the headers."""
        if self.headers:
            present = {name.lower() for name in exchange.headers}
            for name, value in self.headers.items():
                if name.lower() not in present:
                    exchange.headers[name] = _unique() if self._is_unique and name == REFERENCE else value


def _unique() -> str:
    from opentelemetry.trace import get_current_span

    reference = str(uuid.uuid4())
    get_current_span().set_attribute(SPAN_ATTRIBUTE, reference)
    return reference


def _headers(fields: list[tuple[str, Any]]) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for key, value in fields:
        name, problem = f"App-{key}", None
        if not FIELD_NAME.fullmatch(key) or key.lower().startswith("app-"):
            problem = "has an invalid name: give the part after 'App-', in letters, digits and hyphens"
        elif not isinstance(value, str) or not FIELD_VALUE.fullmatch(value):
            problem = "has an invalid value: give one line of printable ASCII, without spaces around it"
        elif name.lower() in map(str.lower, headers):
            problem = "is given twice"
        if problem:
            raise ConfigurationError(f"The request header {name!r} {problem}.")
        headers[name] = value
    return headers
