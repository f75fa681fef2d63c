"""Commands of `prio`. Each imports its modules when it runs, so that help and completion are fast."""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, ParamSpec

import typer

from .._util.clock import now
from ..errors import ConfigurationError
from .arguments import FAILED, AskSecret, ClientOption, ClientsOption, HeaderOption, JsonOption, handle_errors, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..settings import ClientSettings
    from .check_probes import StepResult
    from .response import ApiMessage
    from .status import StatusSource

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="Start with `prio init`, then `prio check`. Without an account: `prio sandbox`, `prio demo`.",
)


P = ParamSpec("P")

PresetChoice = Literal["prio", "rfc6749"]
EnvironmentChoice = Literal["production", "staging", "sandbox"]
SECRET_FILE = "~/.config/prio/client_secret"  # Default file of the secret: outside the project, so outside version control.


def _examples(*lines: str) -> str:
    return "\n\n".join([f"Example{'' if len(lines) == 1 else 's'}:", *lines])


def command(group: typer.Typer, *examples: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Return a decorator that adds a command to ``group``. Its help ends with examples; errors are printed as text."""
    return lambda function: group.command(epilog=_examples(*examples))(handle_errors(function))


def _print_version(*, requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        typer.echo(version("prio-middleware"))
        raise typer.Exit


@app.callback()
def prio(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Outbound OAuth 2.0 client credentials: manage a client's settings, test its connection, make calls.

    Secrets are never arguments, because every user of this machine can read those: they come from the environment, a file or a
    prompt.
    """


@command(
    app, "prio init", "prio init --client-id tickets@example.com --environment production", "prio init --preset rfc6749 --force"
)
def init(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("prio.toml"),
    preset: Annotated[PresetChoice, typer.Option(help="The Prio Distributor API, or any other OAuth 2.0 server.")] = "prio",
    environment: Annotated[EnvironmentChoice, typer.Option(help="Preset prio: the API's environment.")] = "sandbox",
    client_id: Annotated[str, typer.Option(metavar="ID", help="The client's identifier.")] = "you@example.com",
    secret_file: Annotated[str, typer.Option(metavar="FILE", help="The file that contains the secret.")] = SECRET_FILE,
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a commented prio.toml. It names the file of the secret, and never contains the secret."""
    from .settings_shown import next_steps, prio, rfc6749
    from .terminal import output, visible

    text = prio(environment, client_id, secret_file) if preset == "prio" else rfc6749(client_id, secret_file)
    try:
        with file.open("w" if force else "x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError:
        remedy = "Use --force to overwrite it, or name another file."
        raise ConfigurationError(f"{file} exists already.", remedy=remedy) from None
    except OSError as error:
        remedy = "Name a file in a writable folder."
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}.", remedy=remedy) from None
    output().print(visible(next_steps(file, secret_file)))


@command(app, "prio check", "prio check --client berlin --path /products/1004", "prio check --json > check.json")
def check(
    client: ClientsOption = None,
    path: Annotated[str | None, typer.Option(metavar="PATH", help="A call to make. Default: a cheap one.")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="Time limit for all steps of a client together.")
    ] = 8,
    *,
    as_json: JsonOption = False,
    ask_secret: AskSecret = False,
) -> None:
    """Test a client's settings and connection, and print remedies.

    The steps: settings, DNS, TCP, TLS, clock, token request and one call.

    Exit status: 0 if all steps pass, with or without warnings; 1 if a step failed.
    """
    from . import check as run
    from .arguments import read_target
    from .check_probes import CheckStatus
    from .terminal import output, print_json

    console = output()
    found: dict[str, list[StepResult]] = {}
    for name, results in run.run_checks(client, path and read_target(path), timeout, ask_secret=ask_secret):
        found[name] = list(results if as_json else run.show(console, name, results))
    findings = [result.finding for results in found.values() for result in results]
    failed = any(finding.status is CheckStatus.FAIL for finding in findings)
    if as_json:
        print_json({"ok": not failed, "clients": {name: run.as_json(results) for name, results in found.items()}})
    else:
        run.summarize(console, findings)
    if failed:
        raise typer.Exit(FAILED)


config = typer.Typer(
    no_args_is_help=True, help="Show the settings or their schema.", epilog=_examples("prio config show", "prio config schema")
)


@command(config, "prio config show", "prio config show --client berlin --all")
def show(
    client: ClientsOption = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Show the defaults too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show each setting and its source. Secrets are masked."""
    from .settings_shown import by_key, rows, with_comment, without_defaults
    from .terminal import output, print_json, visible

    settings = load(None)
    names = [settings.client(client).name] if client else list(settings.clients)
    shown = {name: rows(settings.client(name), settings.provenance(name)) for name in names}
    if not everything:
        shown = {name: without_defaults(found) for name, found in shown.items()}
    if as_json:
        print_json({name: by_key(found) for name, found in shown.items()})
        return
    console = output()
    for name, found in shown.items():
        console.print(f"[clients.{name}]" if name != "default" else "# client default", style="bold")
        for line in (line for row in found for line in with_comment(row.setting, row.comment, console.width)):
            console.print(visible(line))


@command(config, "prio config schema > prio.schema.json")
def schema() -> None:
    """Print the JSON Schema of prio.toml, with which editors complete and check the file."""
    from importlib.resources import files

    from .terminal import write

    write((files("prio_middleware.settings") / "schema.json").read_text(encoding="utf-8"))


app.add_typer(config, name="config")


@command(
    app,
    "prio request GET /products",
    "prio request POST /reservations --data @reservation.json",
    "prio request GET /products --json | jq .data",
)
def request(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, ...")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="A path below the client's base URL, or a complete URL.")],
    client: ClientOption = None,
    data: Annotated[
        str | None, typer.Option("--data", "-d", metavar="@FILE", help="The body: @FILE, or - for standard input.")
    ] = None,
    header: HeaderOption = None,
    *,
    raw: Annotated[bool, typer.Option("--json", help="Print the body unchanged, byte by byte.")] = False,
    ask_secret: AskSecret = False,
) -> None:
    """Make one call with a token, and print the response.

    The body goes to standard output, everything else to standard error.

    Data is sent as JSON unless --header sets another Content-Type.

    Redirects are not followed.

    Exit status: 0 for 2xx; 3, 4, 5 for 3xx, 4xx, 5xx; 1 without a response.
    """
    from .arguments import read_data, read_headers, read_method, read_target
    from .terminal import columns, messages, wrapped

    verb, target, headers, content = read_method(method), read_target(path), read_headers(header or []), read_data(data)
    if content is not None and "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", "application/json"))
    settings = load(client, ask_secret=ask_secret).client(client)
    message = _call(settings, verb, target, raw=raw, parts={"headers": headers, "content": content})
    succeeded, console = message.status_code < 300, messages()
    if not succeeded or console.is_terminal:
        console.print("\n".join(wrapped(str(message), columns(console))), style="green" if succeeded else "bold red")
    if message.reason:
        console.print("\n".join(wrapped(str(message.reason), columns(console))))
    if not succeeded:
        raise typer.Exit(message.status_code // 100)


def _call(settings: ClientSettings, method: str, path: str, *, raw: bool, parts: dict[str, Any]) -> ApiMessage:
    from ..errors import PrioError
    from .command_client import CommandClient
    from .response import no_response_error, read_message, write_raw, write_readable
    from .terminal import waiting

    url: object = settings.base_url
    with CommandClient(settings) as client:
        try:
            request = client.client.build_request(method, path, **parts)
            url = request.url
            with waiting(f"{method} {path}"):
                response = client.client.send(request, stream=True)
            head = write_raw(response) if raw else write_readable(response, secrets=client.secrets)
            return read_message(response, head, client.secrets)
        except PrioError:
            raise
        except (client.library.HTTPError, client.library.InvalidURL, UnicodeError) as error:
            failure = no_response_error(error, settings, url)
    raise failure  # Outside of the except block: the library's error holds the request, and so the token.


@command(app, "prio token", "prio token --client berlin", 'curl -H "Authorization: Bearer $(prio token --reveal)" ...')
def token(
    client: ClientOption = None,
    *,
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the token itself on standard output.")] = False,
    ask_secret: AskSecret = False,
) -> None:
    """Request an access token, and show its properties.

    With --reveal the token goes to standard output, the rest to standard error.

    Anyone with the token can use it: keep it out of logs and shell histories.
    """
    from .command_client import CommandClient
    from .terminal import messages, output, print_labelled, waiting

    settings = load(client, ask_secret=ask_secret).client(client)
    with CommandClient(settings) as opened, waiting("token request"):
        received = opened.authenticate()
    console = messages() if reveal else output()
    if not reveal:
        print_labelled(console, "token", "** (--reveal prints it)")
    print_labelled(console, "type", received.token_type)
    print_labelled(console, "expires", _expiry(received.expires_at - now()))
    print_labelled(console, "scope", received.scope or "(not named by the server)")
    if reveal:
        output().print(received.value.reveal())


def _expiry(seconds: float) -> str:
    from .arguments import duration

    if math.isinf(seconds):
        return "never"
    return f"in {duration(seconds)}, at {time.strftime('%H:%M:%S', time.localtime(time.time() + seconds))}"


@command(
    app,
    "prio status https://shop.internal/status",
    "prio status --watch http://127.0.0.1:8000/status --client berlin",
    "prio status https://shop.internal/status --header @operator.txt --json | jq .clients",
)
def status(
    url: Annotated[str, typer.Argument(metavar="URL", help="The URL of the status page, such as https://host/status.")],
    client: ClientsOption = None,
    header: HeaderOption = None,
    every: Annotated[
        float, typer.Option(min=0.2, max=3600, metavar="SECONDS", help="Seconds between requests of --watch.")
    ] = 2,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Repeat until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the status of clients and tokens in one process of a running application.

    The application has to mount the status page: see the documentation.

    With --watch --json there is one JSON document per line.

    Exit status: 0; 1 if a client is not ready, or without a response.
    """
    from .arguments import read_headers
    from .status import StatusSource, show_updates, updates, write_json_lines
    from .terminal import output

    with StatusSource(url, read_headers(header or []), client) as source:
        if not watch:
            _show_once(source, as_json=as_json)
            return
        found = updates(source, every)
        with suppress(KeyboardInterrupt):
            if as_json:
                write_json_lines(found)
            else:
                show_updates(found, output())


def _show_once(source: StatusSource, *, as_json: bool) -> None:
    from ..errors import PrioError
    from .status_report import StatusReport
    from .terminal import output, print_json, waiting

    with waiting("status"):
        reply = source.fetch()
    if isinstance(reply, PrioError):
        raise reply
    if as_json:
        print_json(reply.document)
    else:
        console = output()
        for line in StatusReport(console).lines(reply.status, {}):
            console.print(line)
    if any(client.condition.level == "bad" for client in reply.status.clients):
        raise typer.Exit(FAILED)


@command(app, "prio demo", "prio demo --quick")
def demo(*, quick: Annotated[bool, typer.Option("--quick", help="Make a few calls instead of thousands.")] = False) -> None:
    """Show how clients handle expired, revoked and rejected tokens, in half a minute."""
    from ..demo.__main__ import main

    raise typer.Exit(main(["--quick"] if quick else []))


_INSTRUCTIONS = """In another terminal, export the variables below, then run `prio check` or `prio request GET /products`.
Or run `prio sandbox --write prio.env` here, and the other commands in the same folder with PRIO_ENV_FILE=prio.env.
"""
_WRITTEN = """In another terminal, run `export PRIO_ENV_FILE={file}`, then `prio check` or `prio request GET /products`.
"""


@command(app, "prio sandbox", "prio sandbox --lifetime 5 --no-limits", "prio sandbox --write prio.env")
def sandbox(
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="A port; 0 selects a free one.")] = 0,
    lifetime: Annotated[float, typer.Option(help="Lifetime of tokens in seconds.")] = 3600,
    write: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the settings to a new file that only you can read.")
    ] = None,
    *,
    limits: Annotated[bool, typer.Option("--limits/--no-limits", help="Block callers as the API does.")] = True,
    tls: Annotated[bool, typer.Option("--tls/--no-tls", help="HTTPS, or plain HTTP.")] = True,
) -> None:
    """Serve a Prio API on this machine until Ctrl-C, and print a client's settings for it."""
    from ..sandbox.__main__ import main
    from .terminal import messages

    messages().print(_WRITTEN.format(file=write) if write else _INSTRUCTIONS)
    arguments = ["--host", host, "--port", str(port), "--lifetime", str(lifetime), *(["--write", str(write)] if write else [])]
    arguments += [flag for flag, is_set in {"--no-limits": not limits, "--no-tls": not tls}.items() if is_set]
    raise typer.Exit(main(arguments, os.environ))
