"""Options that several commands share, and the settings they lead to."""

from __future__ import annotations

import getpass
import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..settings import ClientSettings, Settings


def client_names(incomplete: str) -> list[str]:
    """The configured clients, for the shell's completion: which says nothing where the settings are wrong."""
    from ..errors import ConfigurationError
    from ..settings import Settings

    try:
        names = list(Settings().clients)
    except ConfigurationError:
        return []
    return [name for name in names if name.startswith(incomplete)]


ClientArgument = Annotated[
    str | None,
    typer.Argument(metavar="CLIENT", help="A client's name. Default: every client.", autocompletion=client_names),
]
ClientOption = Annotated[
    str | None,
    typer.Option("--client", "-c", metavar="NAME", help="A client's name.", autocompletion=client_names, show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
AskSecret = Annotated[bool, typer.Option("--ask-secret", help="Ask for the client's secret; it is not shown, and not kept.")]


def load(name: str | None, *, ask_secret: bool = False) -> Settings:
    """The settings, with the secret of the client ``name`` from whoever is at the keyboard if ``ask_secret``.

    Raises:
        ConfigurationError: the settings are incomplete or wrong.
    """
    from ..settings import Settings

    return Settings(**(_asked(name) if ask_secret else {}))


def load_client(name: str | None, *, ask_secret: bool = False) -> ClientSettings:
    """The settings of one client.

    Raises:
        ConfigurationError: the settings are incomplete or wrong, or there is no such client.
    """
    return load(name, ask_secret=ask_secret).client(name)


def _asked(name: str | None) -> dict[str, Any]:
    from ..secret import Secret

    answer = {"client_secret": Secret(_typed("Client secret"))}
    return answer if name in {None, "default"} else {"clients": {name: answer}}


def _typed(what: str) -> str:
    """What somebody types, unseen.

    Raises:
        ConfigurationError: there is no terminal.
        KeyboardInterrupt: Ctrl-C, or the end of the input.
    """
    from ..errors import ConfigurationError

    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)  # It would go on, and show what is typed.
        try:
            return str(typer.prompt(what, hide_input=True, err=True))
        except typer.Abort:
            raise KeyboardInterrupt from None
        except getpass.GetPassWarning:
            typer.echo(err=True)  # The question is there already.
    raise ConfigurationError(
        "There is no terminal on which the secret could be asked for.",
        remedy="Name the file that holds it: PRIO_CLIENT_SECRET_FILE, or client_secret_file in prio.toml.",
    )
