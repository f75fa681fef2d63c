"""``prio request``: one call with a token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from .guard import guarded
from .options import AskSecret, ClientOption, load_client

if TYPE_CHECKING:
    from ..settings import ClientSettings
    from .answer import Said

EPILOG = """Examples:

prio request GET /products

prio request POST /reservations --data @reservation.json

prio request GET /products --json | jq .data"""


@guarded
def request(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, ...")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="A path below the client's base URL, or a whole URL.")],
    client: ClientOption = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", metavar="@FILE", help="The body: @FILE, or - for standard input.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A header, or @FILE with one on each line. Repeatable."),
    ] = None,
    *,
    raw: Annotated[bool, typer.Option("--json", help="Print the body as it is, byte by byte.")] = False,
    ask_secret: AskSecret = False,
) -> None:
    """Make one call with a token, and print the answer.

    The body goes to standard output, everything else to standard error.

    Data is sent as JSON unless a Content-Type header says otherwise.

    Redirects are not followed.

    Exit status: 0 for 2xx; 3, 4, 5 for 3xx, 4xx, 5xx; 1 without an answer.
    """
    from .given import read_data, read_headers, read_method, read_target

    verb, target, headers, content = read_method(method), read_target(path), read_headers(header or []), read_data(data)
    if content is not None and "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", "application/json"))
    settings = load_client(client, ask_secret=ask_secret)
    said = _call(settings, verb, target, raw=raw, parts={"headers": headers, "content": content})
    _tell(said)
    if said.status_code >= 300:
        raise typer.Exit(said.status_code // 100)


def _call(settings: ClientSettings, method: str, path: str, *, raw: bool, parts: dict[str, Any]) -> Said:
    from ..errors import PrioError
    from .answer import listen
    from .body import write_raw, write_readable
    from .route import Route
    from .terminal import waiting
    from .unanswered import unanswered

    url: object = settings.base_url
    with Route(settings) as route:
        try:
            request = route.client.build_request(method, path, **parts)
            url = request.url
            with waiting(f"{method} {path}"):
                response = route.client.send(request, stream=True)
            head = write_raw(response) if raw else write_readable(response)
            return listen(response, head, [settings.client_secret] if settings.client_secret else ())
        except PrioError:
            raise
        except (route.library.HTTPError, route.library.InvalidURL, UnicodeError) as error:
            failure = unanswered(error, settings, url)
    raise failure


def _tell(said: Said) -> None:
    """Say how it went, on a terminal or where it did not go well."""
    from .terminal import columns, messages, wrapped

    console = messages()
    if said.status_code >= 300 or console.is_terminal:
        style = "green" if said.status_code < 300 else "bold red"
        console.print("\n".join(wrapped(str(said), columns(console))), style=style)
    if said.reason:
        console.print("\n".join(wrapped(str(said.reason), columns(console))))
