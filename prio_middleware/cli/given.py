"""What the command line says of a request, checked: secrets have no place on it, for every process list shows it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl

from ..errors import ConfigurationError
from ..settings.files import os_reason

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

# RFC 9110 §5.1, §5.5, without the characters beyond ASCII that it calls obsolete.
_HEADER = re.compile(rf"({_NAME.pattern}):[ \t]*([\t\x20-\x7e]*)")

# Headers that hold credentials, whatever the API calls them: Authorization, Cookie, X-Api-Key, X-Auth-Token ...
_CREDENTIAL = re.compile(r"auth|cookie|key|password|secret|token", re.IGNORECASE)

_USER = re.compile(r"(?:[^/?#]*:)?//[^/?#]*@")

# Parameters that hold credentials. page_token and the like are none.
_PARAMETER = re.compile(
    r"((access|auth|id|refresh)[_-]?)?token|(api[_-]?)?key|(client[_-]?)?secret|auth|passw(or)?d|sig(nature)?", re.IGNORECASE
)

_READ_BY_ALL = "the command line can be read by everybody on this machine."


def read_method(method: str) -> str:
    """The HTTP method.

    Raises:
        ConfigurationError: it is none (RFC 9110 §9.1).
    """
    if not _NAME.fullmatch(method):
        raise ConfigurationError("That is no HTTP method.", remedy="Write GET, POST, PUT, PATCH or DELETE.")
    return method.upper()


def read_target(target: str) -> str:
    """The path or URL that is to be called.

    Raises:
        ConfigurationError: it holds a user's name or a parameter that is a credential by its name.
    """
    query = target.partition("#")[0].partition("?")[2]
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    credential = next(filter(_PARAMETER.fullmatch, names), None)
    if credential is None and _USER.match(target) is None:
        return target
    what = "user name and password" if credential is None else f"the parameter {credential}"
    raise ConfigurationError(
        f"The URL has {what}, and {_READ_BY_ALL}",
        remedy="Leave it out. What an API asks for beside the token can be a header in a file: prio request --header @FILE.",
    )


def read_data(data: str | None) -> bytes | None:
    """The body that ``--data`` names.

    Raises:
        ConfigurationError: it is no ``@file`` and not ``-``, or the file cannot be read.
    """
    if data is None:
        return None
    if data == "-":
        return sys.stdin.buffer.read()
    if data.startswith("@"):
        return _read(Path(data[1:]))
    raise ConfigurationError(
        "--data takes @FILE, or - for standard input.",
        remedy=f"Put the body into a file: {_READ_BY_ALL}",
    )


def read_headers(given: Iterable[str]) -> list[tuple[str, str]]:
    """The headers that ``--header`` gives or names.

    Raises:
        ConfigurationError: one that is none, a credential outside a file, or a file that cannot be read.
    """
    return [header for text in given for header in _headers(text)]


def _headers(text: str) -> Iterator[tuple[str, str]]:
    if text.startswith("@"):
        lines = _read(Path(text[1:])).decode(errors="replace").splitlines()
        yield from (_header(line, f"a line of {text[1:]}") for line in lines if line.strip())
        return
    name, value = _header(text, "--header")
    if _CREDENTIAL.search(name):
        raise ConfigurationError(
            f"The header {name} may hold a credential, and {_READ_BY_ALL}",
            remedy="Put it into a file, and give --header @FILE. The client's own token is added without it.",
        )
    yield name, value


def _header(text: str, place: str) -> tuple[str, str]:
    match = _HEADER.fullmatch(text.strip())
    if match is None:
        raise ConfigurationError(f"This is not a header: {place}.", remedy="Write it as 'Name: value', in ASCII.")
    return match[1], match[2].strip()


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, RuntimeError, ValueError) as error:
        reason = os_reason(error) if isinstance(error, OSError | ValueError) else "cannot be read"
    raise ConfigurationError(f"{path} {reason}.", remedy="Check the file's name and its permissions.")
