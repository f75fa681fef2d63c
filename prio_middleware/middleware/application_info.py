"""The API's optional ``App-*`` request headers: which application calls."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ..errors import ConfigurationError
from ..pipeline import Exchange

# RFC 9110 §5.5: what a field value may hold and every server reads alike.
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
# RFC 9110 §5.6.2
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class ApplicationInfo:
    """Sends the headers that are given, to the client's own origins only. Nothing is found out by itself, the machine least.

    A header that the caller's request has already is left as it is.

    Args:
        name: App-Name.
        version: App-Version.
        flavor: App-Flavor.
        package_name: App-Package-Name.
        build_number: App-Build-Number.
        platform: App-Platform.
        reference: App-Reference.
        machine_id: App-Machine-ID.
        extra: further headers by the part of their name after ``App-``.

    Raises:
        ConfigurationError: a name or a value cannot stand in a header, or a header is named twice.
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
        self.headers: Mapping[str, str] = dict(_headers([*given.items(), *dict(extra).items()]))

    def on_request(self, exchange: Exchange) -> None:
        """Write the headers."""
        if self.headers:
            present = {name.lower() for name in exchange.headers}
            for name, value in self.headers.items():
                if name.lower() not in present:
                    exchange.headers[name] = value


def _headers(fields: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for key, value in fields:
        name = f"App-{key}"
        problem = _problem(key, value) or ("is given twice" if name.lower() in seen else None)
        if problem:
            raise ConfigurationError(f"The request header {name!r} {problem}.")
        seen.add(name.lower())
        yield name, value


def _problem(key: str, value: object) -> str | None:
    if not _TOKEN.fullmatch(key) or key.lower().startswith("app-"):
        return "has a name that will not do: give the part after 'App-', in letters, digits and hyphens"
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        return "has a value that will not do: give one line of printable ASCII, without spaces around it"
    return None
