"""The settings file to start from. What is commented out is a default, or one of the choices."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

_HEAD = """\
#:schema ./prio.schema.json
# Settings of prio_middleware. The schema lets an editor complete this file: prio config schema > prio.schema.json
# Environment variables go before it: PRIO_CLIENT_ID, PRIO_CLIENT_SECRET_FILE. `prio config show` says what comes from where.
"""

_PRIO = """
environment = {environment}               # production, staging, sandbox
# version = "v3.8"                      # of the API
"""

_RFC6749 = """
preset = "rfc6749"
base_url = "https://api.example.com"    # relative URLs of calls are joined to it; its origin gets the token
token_url = "https://login.example.com/oauth2/token"
# discovery = "https://login.example.com"   # instead of token_url: the server's metadata names it
"""

_CREDENTIALS = """
client_id = {client_id}
client_secret_file = {secret_file}      # a file with nothing but the secret: never write it here
# private_key_file = "key.pem"          # instead of a secret: sign assertions (private_key_jwt)
"""

_REST = """
# scope = "{scope}"

# refresh = "ahead"                     # fetch the next token before it is due; default: "on_expiry"
# foreign_origins = "refuse"            # calls to other origins raise an error; default: "bare", they go without a token
# allowed_origins = ["https://files.example.com"]   # further origins that get the token

# read_timeout = {read_timeout}                     # seconds; connect_timeout, write_timeout and pool_timeout likewise
# proxy = "http://proxy.example.com:3128"
# ca_file = "ca.pem"                    # trust these authorities instead of the usual ones
# budget_guard = {{ enforce = true{limits} }}   # refuse calls before the API shuts the client out; share = 0.25 for 4 processes
# http2 = true                          # needs the HTTP library's extra http2
# library = "httpx2"                    # for the drop-ins; default: "httpx"

# [app]                                 # sent as App-Name, App-Version, ...
# name = "shop"
# version = "1.0"

# [clients.berlin]                      # a further account, client("berlin"): inherits all of the above but the credentials
# client_id = "berlin@example.com"
# client_secret_file = "~/.config/prio/berlin_secret"
"""


def prio(environment: str, client_id: str, secret_file: str) -> str:
    """A file for the Prio Distributor API."""
    scope = "https://www.prioticketapis.com/auth/distributor.booking"
    middle = _PRIO.format(environment=_quoted(environment)) + _credentials(client_id, secret_file)
    return _HEAD + middle + _REST.format(scope=scope, read_timeout=60, limits="")


def rfc6749(client_id: str, secret_file: str) -> str:
    """A file for any other OAuth 2.0 server."""
    return (
        _HEAD
        + _RFC6749
        + _credentials(client_id, secret_file)
        + _REST.format(scope="read write", read_timeout=30, limits=", requests = 300")
    )


def next_steps(file: Path, secret_file: str) -> str:
    """What to do after the file was written."""
    secret = Path(secret_file)
    keep = f"(umask 077; mkdir -p {_in_shell(secret.parent)}; cat > {_in_shell(secret)})"
    return f"""\
{file} is written. Next:
  1. Put your client_id into it.
  2. Put the client's secret into a file of its own; end it with Enter and Ctrl-D:
       {keep}
  3. prio check"""


def _credentials(client_id: str, secret_file: str) -> str:
    return _CREDENTIALS.format(client_id=_quoted(client_id), secret_file=_quoted(secret_file))


def _quoted(text: str) -> str:
    """A TOML string, which is written as JSON's are."""
    return json.dumps(text, ensure_ascii=False)


def _in_shell(path: Path) -> str:
    """A path as a shell takes it; the home directory stays a tilde."""
    home, *rest = path.parts or (".",)
    return "~/" + shlex.quote(str(Path(*rest))) if home == "~" else shlex.quote(str(path))
