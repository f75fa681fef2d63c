"""``prio init``: a settings file to start from."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigurationError
from .guard import guarded

EPILOG = """Examples:

prio init

prio init --client-id tickets@example.com --environment production

prio init --preset rfc6749 --force"""

SECRET_FILE = "~/.config/prio/client_secret"
"""Outside the project, so that it is checked in nowhere."""


class Preset(StrEnum):
    """What kind of server."""

    PRIO = "prio"
    RFC6749 = "rfc6749"


class Environment(StrEnum):
    """Which of the API's environments."""

    PRODUCTION = "production"
    STAGING = "staging"
    SANDBOX = "sandbox"


@guarded
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("prio.toml"),
    preset: Annotated[Preset, typer.Option(help="The Prio Distributor API, or any other OAuth 2.0 server.")] = Preset.PRIO,
    environment: Annotated[Environment, typer.Option(help="Preset prio: which environment.")] = Environment.SANDBOX,
    client_id: Annotated[str, typer.Option(metavar="ID", help="The client's identifier.")] = "you@example.com",
    secret_file: Annotated[str, typer.Option(metavar="FILE", help="Where the secret is, or will be.")] = SECRET_FILE,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a commented prio.toml. It names the file that holds the secret, and never the secret."""
    from .template import next_steps, prio, rfc6749
    from .terminal import output, visible

    text = rfc6749(client_id, secret_file) if preset is Preset.RFC6749 else prio(environment, client_id, secret_file)
    _write(file, text, force=force)
    output().print(visible(next_steps(file, secret_file)))


def _write(file: Path, text: str, *, force: bool) -> None:
    try:
        with file.open("w" if force else "x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        problem = ConfigurationError(f"{file} is there already.", remedy="Use --force to overwrite it, or name another file.")
    except OSError as error:
        problem = ConfigurationError(
            f"{file} cannot be written: {error.strerror}.", remedy="Name a file in a folder of your own."
        )
    else:
        return
    raise problem
