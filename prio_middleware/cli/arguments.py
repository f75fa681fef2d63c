"""Arguments, options and exit statuses that the commands share."""

from __future__ import annotations

import functools
import getpass
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec
from urllib.parse import parse_qsl

import typer

from ..errors import ConfigurationError, PrioError
from . import INTERRUPTED
from .terminal import messages, print_labelled

if TYPE_CHECKING:
    from ..settings import Settings

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Return ``59 min 58 s``: the two largest units that are not zero, with ``-`` before a negative duration."""
    left = round(abs(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return f"{'-' if seconds < 0 and parts else ''}{' '.join(parts[:2]) or '0 s'}"


P = ParamSpec("P")

FAILED = 1  # Exit status: the command failed.
INVALID = 2  # Exit status: the command line or the settings are invalid, so nothing was tried.
BROKEN_PIPE = 141  # Exit status: the reader of the output closed the pipe. 128 + SIGPIPE, as in shells.


def handle_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Return a command that prints errors of this package as text, and exits quietly after Ctrl-C or a closed pipe."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except PrioError as error:
            show_error(error)
            raise typer.Exit(INVALID if isinstance(error, ConfigurationError) else FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The interpreter writes buffered output at its end, and would print a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(BROKEN_PIPE) from None

    return run


def show_error(error: PrioError) -> None:
    """Print an error to standard error, one labelled part per line."""
    about = [f"client {error.client!r}" if error.client else "", error.url or ""]
    parts = {
        "error": error.message,
        "about": ", ".join(filter(None, about)),
        "quote": f"error_reference {error.error_reference}" if error.error_reference else "",
        "retry": f"in {error.retry_after:.0f} s" if error.retry_after is not None else "",
        "remedy": error.remedy,
    }
    for label, text in parts.items():
        if text:
            print_labelled(messages(), label, text, "bold red" if label == "error" else "bold")


_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

# RFC 9110 §5.1, §5.5, without the obsolete characters beyond ASCII.
_HEADER = re.compile(rf"({_NAME.pattern}):[ \t]*([\t\x20-\x7e]*)")

# Names of headers that contain credentials: Authorization, Cookie, X-Api-Key, X-Auth-Token ...
_CREDENTIAL_HEADER = re.compile(r"auth|cookie|key|password|secret|token", re.IGNORECASE)

_USER_INFO = re.compile(r"(?:[^/?#]*:)?//[^/?#]*@")

# Names of parameters that contain credentials; page_token and the like do not.
_CREDENTIAL_PARAMETER = re.compile(
    r"((access|auth|id|refresh)[_-]?)?token|(api[_-]?)?key|(client[_-]?)?secret|auth|passw(or)?d|sig(nature)?", re.IGNORECASE
)

_PUBLIC = "every user of this machine can read the command line."


def read_method(method: str) -> str:
    """Return the HTTP method in upper case. Raise ConfigurationError if it is not one (RFC 9110 §9.1)."""
    if not _NAME.fullmatch(method):
        raise ConfigurationError("This is not an HTTP method.", remedy="Write GET, POST, PUT, PATCH or DELETE.")
    return method.upper()


def read_target(target: str) -> str:
    """Return the path or URL to call. Raise ConfigurationError if it has a user name, or a parameter named as a credential."""
    query = target.partition("#")[0].partition("?")[2]
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    credential = next(filter(_CREDENTIAL_PARAMETER.fullmatch, names), None)
    if credential is None and _USER_INFO.match(target) is None:
        return target
    found = "user name and password" if credential is None else f"the parameter {credential}"
    raise ConfigurationError(
        f"The URL contains {found}, and {_PUBLIC}",
        remedy="Remove it. Credentials that the API needs besides the token can be headers in a file: --header @FILE.",
    )


def read_data(data: str | None) -> bytes | None:
    """Return the body that ``--data`` names. Raise ConfigurationError if it is neither ``-`` nor the ``@name`` of a file."""
    if data is None:
        return None
    if data == "-":
        return sys.stdin.buffer.read()
    if data.startswith("@"):
        return _read(Path(data[1:]))
    raise ConfigurationError("--data must be @FILE, or - for standard input.", remedy=f"Write the body to a file: {_PUBLIC}")


def read_headers(arguments: Iterable[str]) -> list[tuple[str, str]]:
    """Return the headers in the arguments of ``--header``, and in files that they name.

    Raise ConfigurationError if an argument is not a header, a credential stands outside a file, or a file cannot be read.
    """
    headers: list[tuple[str, str]] = []
    for text in arguments:
        if text.startswith("@"):
            lines = _read(Path(text[1:])).decode(errors="replace").splitlines()
            headers += [_header(line, f"a line of {text[1:]}") for line in lines if line.strip()]
            continue
        name, value = _header(text, "--header")
        if _CREDENTIAL_HEADER.search(name):
            raise ConfigurationError(
                f"The header {name} may contain a credential, and {_PUBLIC}",
                remedy="Write it to a file, and give --header @FILE. The client's own token needs no header here.",
            )
        headers.append((name, value))
    return headers


def _header(text: str, place: str) -> tuple[str, str]:
    match = _HEADER.fullmatch(text.strip())
    if match is None:
        raise ConfigurationError(f"This is not a header: {place}.", remedy="Write it as 'Name: value', in ASCII.")
    return match[1], match[2].strip()


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, RuntimeError, ValueError) as error:
        from ..settings.files import os_reason

        reason = os_reason(error) if isinstance(error, OSError | ValueError) else "cannot be read"
    raise ConfigurationError(f"{path} {reason}.", remedy="Check the file's name and its permissions.")


def client_names(incomplete: str) -> list[str]:
    """Return the names of configured clients for the shell's completion; none if the settings are invalid."""
    from ..settings import Settings

    try:
        names = list(Settings().clients)
    except ConfigurationError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def _client_option(default: str) -> Any:
    help_text = f"A client's name. Default: {default}."
    return typer.Option("--client", "-c", metavar="NAME", help=help_text, autocompletion=client_names, show_default=False)


ClientOption = Annotated[str | None, _client_option("the client 'default'")]
ClientsOption = Annotated[str | None, _client_option("every client")]

HeaderOption = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header, or @FILE with one header per line. Repeatable."),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
AskSecret = Annotated[bool, typer.Option("--ask-secret", help="Ask for the client's secret. It is neither shown nor stored.")]


def load(name: str | None, *, ask_secret: bool = False) -> Settings:
    """Return the settings. With ``ask_secret``, prompt for the secret of the client ``name``."""
    from .._util.secret import Secret
    from ..settings import Settings

    if not ask_secret:
        return Settings()
    secret: dict[str, Any] = {"client_secret": Secret(_ask_for_secret())}
    return Settings(**(secret if name in {None, "default"} else {"clients": {name: secret}}))


def _ask_for_secret() -> str:
    """Read the client's secret from the terminal without showing it. Raise ConfigurationError if there is no terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # Otherwise getpass would go on, and show the input.
        try:
            return str(typer.prompt("Client secret", hide_input=True, err=True))
        except typer.Abort:
            raise KeyboardInterrupt from None
        except getpass.GetPassWarning:
            typer.echo(err=True)  # End the line of the prompt.
    raise ConfigurationError(
        "There is no terminal to ask for the secret.",
        remedy="Name the file that contains it: PRIO_CLIENT_SECRET_FILE, or client_secret_file in prio.toml.",
    )
