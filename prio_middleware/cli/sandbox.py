"""``prio sandbox``: an embedded Prio API to try things out with."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from .guard import guarded

EPILOG = """Examples:

prio sandbox

prio sandbox --lifetime 5 --no-limits

prio sandbox > .env"""

_HOW = """In another terminal: export what is printed below, then run `prio check` or `prio request GET /products`.
Shorter: `prio sandbox > .env` here, and those in the same folder there.
"""


@guarded
def sandbox(
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="A port; 0 finds one that is free.")] = 0,
    lifetime: Annotated[float, typer.Option(help="Seconds that a token is good for.")] = 3600,
    *,
    limits: Annotated[bool, typer.Option("--limits/--no-limits", help="Block callers as the API does.")] = True,
    tls: Annotated[bool, typer.Option("--tls/--no-tls", help="HTTPS, or plain HTTP.")] = True,
) -> None:
    """Serve a Prio API on this machine until Ctrl-C, and print the settings to reach it."""
    from ..sandbox.__main__ import main
    from .terminal import messages

    messages().print(_HOW)
    arguments = ["--host", host, "--port", str(port), "--lifetime", str(lifetime)]
    arguments += [flag for flag, wanted in {"--no-limits": not limits, "--no-tls": not tls}.items() if wanted]
    raise typer.Exit(main(arguments, os.environ))
