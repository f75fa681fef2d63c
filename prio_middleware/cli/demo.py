"""``prio demo``: the whole story, played against the sandbox."""

from __future__ import annotations

from typing import Annotated

import typer

from .guard import guarded

EPILOG = """Examples:

prio demo

prio demo --quick"""


@guarded
def demo(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Tell it with a few calls instead of thousands.")] = False,
) -> None:
    """Watch ordinary clients call an API that expires, revokes and refuses, in half a minute."""
    from ..demo.__main__ import main

    raise typer.Exit(main(["--quick"] if quick else []))
