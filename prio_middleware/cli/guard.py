"""How a command ends that cannot go on: with what happened and what to do about it, never with a traceback."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from ..errors import ConfigurationError, PrioError
from . import INTERRUPTED
from .terminal import columns, messages, wrapped

P = ParamSpec("P")

FAILED = 1
WRONG = 2
"""The command line or the settings are wrong: nothing was tried."""

BROKEN_PIPE = 141
"""128 + SIGPIPE: whoever was to read the output has gone."""

_LABEL = 9


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """A command that shows an error of the tree as text, and ends quietly at Ctrl-C or a closed pipe."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except PrioError as error:
            failure = error
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _forget_output()
            raise typer.Exit(BROKEN_PIPE) from None
        else:
            return
        show(failure)
        raise typer.Exit(WRONG if isinstance(failure, ConfigurationError) else FAILED)

    return run


def show(error: PrioError) -> None:
    """Tell what happened, to what, and what to do about it."""
    console = messages()
    for label, text in explained(error):
        console.print(f"{label:<{_LABEL}}", style="bold red" if label == "error" else "bold", end="")
        console.print(f"\n{'':{_LABEL}}".join(wrapped(text, columns(console) - _LABEL)))


def explained(error: PrioError) -> list[tuple[str, str]]:
    """What an error says, part by part."""
    about = [f"client {error.client!r}" if error.client else "", error.url or ""]
    parts = {
        "error": error.message,
        "about": ", ".join(filter(None, about)),
        "quote": f"error_reference {error.error_reference}" if error.error_reference else "",
        "again": f"in {error.retry_after:.0f} s" if error.retry_after is not None else "",
        "remedy": error.remedy,
    }
    return [(label, text) for label, text in parts.items() if text]


def _forget_output() -> None:
    """Give what is still buffered nowhere to go: the interpreter would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
