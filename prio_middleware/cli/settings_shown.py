"""Settings and their sources, as `prio config show` prints them, and the template of `prio init`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._util.secret import Secret
from ..settings.client import SECRET_FILES, STORE_SECRET_FILES

if TYPE_CHECKING:
    from ..settings import ClientSettings

MASK = "**"
DEFAULT = "default"
_FILES = SECRET_FILES | {f"token_store.{key}": f"token_store.{file}" for key, file in STORE_SECRET_FILES.items()}
IMPORTANT = ("base_url", "token_url")  # Settings that are shown even if they are defaults.

_COMMENT_COLUMN = 44


class Row(NamedTuple):
    """One setting with its source, or "default". A dot in the key separates a table from its key. None is not set."""

    key: str
    value: object
    source: str

    @property
    def is_given(self) -> bool:
        """True if the value is not a default."""
        return self.source != DEFAULT

    @property
    def setting(self) -> str:
        """The setting as in ``prio.toml``; a comment if it is not set."""
        return f"# {self.key}" if self.value is None else f"{self.key} = {json.dumps(self.value, ensure_ascii=False)}"

    @property
    def comment(self) -> str:
        """The source, as a comment in ``prio.toml``."""
        return f"# {self.source if self.value is not None or self.is_given else 'not set'}"


def with_comment(setting: str, comment: str, width: int) -> list[str]:
    """Return a setting with its comment on the same line, or on a second line if they do not fit."""
    line = f"{setting:<{_COMMENT_COLUMN}}  {comment}"
    return [line] if len(line) <= width else [setting, f"    {comment}"]


def rows(settings: ClientSettings, provenance: Mapping[str, str]) -> list[Row]:
    """Return a row for every setting of a client."""

    def source(key: str) -> str:
        related = (origin for given, origin in provenance.items() if is_within(given, key) or is_within(key, given))
        return next(related, None) or provenance.get(_FILES.get(key, ""), DEFAULT)

    def is_within(inner: str, outer: str) -> bool:
        return f"{inner}.".startswith(f"{outer}.")

    return [Row(key, value, source(key)) for key, value in _values(settings.model_dump(mode="json", exclude={"name"}))]


def without_defaults(found: Iterable[Row]) -> list[Row]:
    """Return the rows of settings that are not defaults, and the important ones."""
    return [row for row in found if row.is_given or (row.key in IMPORTANT and row.value)]


def by_key(found: Iterable[Row]) -> dict[str, object]:
    """Return the rows for JSON output."""
    return {row.key: {"value": row.value, "from": row.source} for row in found}


def _values(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        key = f"{prefix}{name}"
        match key, value:
            case _, dict() if value:
                yield from _values(value, f"{key}.")
            case "pipeline", [*components]:  # Options may be secrets, and so are left out.
                yield key, [part if isinstance(part, str) else part["use"] for part in components] or None
            case _, {} | []:
                yield key, None
            case _:
                yield key, MASK if value == str(Secret("")) else value


_HEAD = """\
#:schema ./prio.schema.json
# Settings of prio_middleware. Editors complete this file with the schema: prio config schema > prio.schema.json
# Environment variables take precedence: PRIO_CLIENT_ID, PRIO_CLIENT_SECRET_FILE. `prio config show` prints each value's source.
"""

_PRIO = """
environment = {environment}               # production, staging, sandbox
# version = "v3.8"                      # of the API
"""

_RFC6749 = """
preset = "rfc6749"
base_url = "https://api.example.com"    # relative URLs of calls are joined to it; its origin receives the token
token_url = "https://login.example.com/oauth2/token"
# issuer = "https://login.example.com"  # with discovery = true instead of token_url: read it from the issuer's metadata
"""

_CREDENTIALS = """
client_id = {client_id}
client_secret_file = {secret_file}      # a file that contains only the secret: do not write it here
# private_key_file = "key.pem"          # instead of a secret: sign assertions (private_key_jwt)
"""

_REST = """
# scope = "{scope}"

# refresh = "ahead"                     # fetch the next token before it is due; default: "on_expiry"
# foreign_origins = "refuse"            # calls to other origins raise an error; default: "without_token"
# allowed_origins = ["https://files.example.com"]   # further origins that receive the token

# read_timeout = {read_timeout}                     # seconds; connect_timeout, write_timeout and pool_timeout likewise
# proxy = "http://proxy.example.com:3128"
# ca_file = "ca.pem"                    # trust these authorities instead of the default ones
# budget_guard = {{ enforce = true{limits} }}   # refuse calls before the API blocks the client; share = 0.25 for 4 processes
# http2 = true                          # needs the HTTP library's extra http2
# library = "httpx2"                    # for clients of ASGI, WSGI and Django applications; default: "httpx"

# [app]                                 # sent as App-Name, App-Version, ...
# name = "shop"
# version = "1.0"

# [clients.berlin]                      # another account, client("berlin"): inherits everything above except the credentials
# client_id = "berlin@example.com"
# client_secret_file = "~/.config/prio/berlin_secret"
"""


def prio(environment: str, client_id: str, secret_file: str) -> str:
    """Return a settings file for the Prio Distributor API."""
    scope = "https://www.prioticketapis.com/auth/distributor.booking"
    server = _PRIO.format(environment=_quoted(environment))
    return _file(server, client_id, secret_file, scope=scope, read_timeout=60, limits="")


def rfc6749(client_id: str, secret_file: str) -> str:
    """Return a settings file for any other OAuth 2.0 server."""
    return _file(_RFC6749, client_id, secret_file, scope="read write", read_timeout=30, limits=", requests = 300")


def _file(server: str, client_id: str, secret_file: str, **rest: object) -> str:
    credentials = _CREDENTIALS.format(client_id=_quoted(client_id), secret_file=_quoted(secret_file))
    return _HEAD + server + credentials + _REST.format(**rest)


def next_steps(file: Path, secret_file: str) -> str:
    """Return the instructions that follow after the file is written."""
    secret = Path(secret_file)
    keep = f"(umask 077; mkdir -p {_in_shell(secret.parent)}; cat > {_in_shell(secret)})"
    return f"""\
Wrote {file}. Next:
  1. Set client_id in it.
  2. Write the client's secret to its own file; end the input with Enter and Ctrl-D:
       {keep}
  3. prio check"""


def _quoted(text: str) -> str:
    """Return a TOML string, whose form is that of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _in_shell(path: Path) -> str:
    """Return the path quoted for a shell; the home directory stays a tilde."""
    home, *rest = path.parts or (".",)
    return "~/" + shlex.quote(str(Path(*rest))) if home == "~" else shlex.quote(str(path))
