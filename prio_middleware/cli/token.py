"""``prio token``: the client's access token."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Annotated

import typer

from .guard import guarded
from .options import AskSecret, ClientOption, load_client

if TYPE_CHECKING:
    from ..tokens.token import AccessToken

EPILOG = """Examples:

prio token

prio token --client berlin

curl -H "Authorization: Bearer $(prio token --reveal)" ..."""


_LABEL = 9


@guarded
def token(
    client: ClientOption = None,
    *,
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the token itself on standard output.")] = False,
    ask_secret: AskSecret = False,
) -> None:
    """Ask for an access token, and show what came back.

    With --reveal the token goes to standard output, the rest to standard error.

    Whoever has the token can use it: keep it out of logs and shell histories.
    """
    from .route import Route
    from .terminal import columns, messages, output, waiting, wrapped

    with Route(load_client(client, ask_secret=ask_secret)) as route, waiting("token request"):
        received = route.authenticate()
    facts = messages() if reveal else output()
    for name, value in _shown(received, reveal=reveal).items():
        lines = wrapped(value, columns(facts) - _LABEL)
        facts.print(f"{name:<{_LABEL}}" + f"\n{'':{_LABEL}}".join(lines))
    if reveal:
        output().print(received.value.reveal())


def _shown(token: AccessToken, *, reveal: bool) -> dict[str, str]:
    masked = {} if reveal else {"token": "** (--reveal prints it)"}
    return {
        **masked,
        "type": token.token_type,
        "expires": _expiry(token.expires_at - time.monotonic()),
        "scope": token.scope or "(the server did not say)",
    }


def _expiry(seconds: float) -> str:
    from .durations import duration

    if math.isinf(seconds):
        return "never"
    return f"in {duration(seconds)}, at {time.strftime('%H:%M:%S', time.localtime(time.time() + seconds))}"
