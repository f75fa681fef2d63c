"""``prio config``: the settings, and their schema."""

from __future__ import annotations

from typing import Annotated

import typer

from .guard import guarded
from .options import ClientArgument, JsonOption, load

EPILOG = """Examples:

prio config show

prio config schema"""

config = typer.Typer(no_args_is_help=True, help="The settings, and their schema.", epilog=EPILOG)

SHOW_EPILOG = """Examples:

prio config show

prio config show berlin --all"""

SCHEMA_EPILOG = """Example:

prio config schema > prio.schema.json"""


@config.command(epilog=SHOW_EPILOG)
@guarded
def show(
    client: ClientArgument = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Show the defaults too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show each setting and where it came from. Secrets are masked."""
    from .settings_shown import beside, by_key, chosen, rows
    from .terminal import output, print_json, visible

    settings = load(None)
    names = [settings.client(client).name] if client else list(settings.clients)
    shown = {name: rows(settings.client(name), settings.provenance(name)) for name in names}
    if not everything:
        shown = {name: chosen(found) for name, found in shown.items()}
    if as_json:
        print_json({name: by_key(found) for name, found in shown.items()})
        return
    console = output()
    for name, found in shown.items():
        console.print(f"[clients.{name}]" if name != "default" else "# client default", style="bold")
        for line in (line for row in found for line in beside(row.setting, row.comment, console.width)):
            console.print(visible(line))


@config.command(epilog=SCHEMA_EPILOG)
@guarded
def schema() -> None:
    """Print the JSON Schema of prio.toml, for editors that complete and check it."""
    from ..settings.schema import schema_text
    from .terminal import write

    write(schema_text())
