"""The command line as a whole. A command loads what it works with when it runs, so that help and completion are quick."""

from __future__ import annotations

from typing import Annotated

import typer

from . import check, demo, init, request, sandbox, status, token
from .config import config

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="Start with `prio init`, then `prio check`. Without an account: `prio sandbox`, `prio demo`.",
)


def _version(*, asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("prio-middleware"))
        raise typer.Exit


@app.callback()
def prio(
    *,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Outbound OAuth 2.0 client credentials: look after a client's settings, try its connection, make calls.

    Secrets are never arguments, which everybody on this machine can read: they come from the environment, a file or a prompt.
    """


app.command(epilog=init.EPILOG)(init.init)
app.command(epilog=check.EPILOG)(check.check)
app.command(epilog=request.EPILOG)(request.request)
app.command(epilog=token.EPILOG)(token.token)
app.command(epilog=status.EPILOG)(status.status)
app.add_typer(config, name="config")
app.command(epilog=sandbox.EPILOG)(sandbox.sandbox)
app.command(epilog=demo.EPILOG)(demo.demo)
