"""Settings of the token store that processes share, and their checks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

from .._util.secret import Secret
from ..oauth.shared.store import LONGEST_LEASE
from .values import LISTED, MASKED, Items, ReadableFile, Seconds, SecretLines, SettingsTable, Text, one_line, secret_of

Address = tuple[str, int]

_EXPECTED = (
    "expected a URL such as rediss://user:password@redis.example.com:6379/0, redis://localhost, unix:///run/redis.sock "
    "or file:///var/lib/shop/tokens"
)
_SCHEMES = ("redis", "rediss")
_LOCAL = ("file", "unix")


def store_url(text: str) -> str:
    """Return the URL of a store. An error repeats nothing of it."""
    try:
        url = urlsplit(one_line(text))
        _ = url.port  # Raises if it is not a number.
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if url.query or url.fragment:
        raise ValueError(
            "expected a URL without a query (?...): waits and retries have fixed bounds, certificates are always checked, "
            "and ca_file names your own certificate authority"
        )
    if url.scheme in _LOCAL:
        is_complete = url.hostname is None and url.path.startswith("/") and url.path.rstrip("/") == url.path
    else:
        database = url.path.removeprefix("/")
        is_complete = url.scheme in _SCHEMES and bool(url.hostname) and (not database or database.isdecimal())
    if not is_complete:
        raise ValueError(_EXPECTED)
    return text


def address_of(text: str) -> Address:
    """Return host and port of ``host:port`` or ``[::1]:port``. Raise ValueError for a text of another form."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or set(text) & set("/?#@"):
        raise ValueError("expected nodes such as redis-2.example.com:6379")
    return host, port


SecretStoreUrl = Annotated[Secret, secret_of(store_url), MASKED]  # Redis URL, which may contain a password.


def _node(text: str) -> str:
    address_of(text)
    return text


Nodes = Annotated[tuple[Annotated[Text, AfterValidator(_node)], ...], LISTED]  # Each one is host:port.


class TokenStore(SettingsTable):
    """The Redis or Valkey server, or the file, that processes share their tokens through."""

    url: SecretStoreUrl | None = None
    """The server's URL: rediss://user:password@host:port/database, unix:///path, or redis:// on a trusted network. With mode
    cluster or sentinel, that of the first node. Or file:///path, a file for short processes of one machine and user. It may
    contain a password, so it is never shown."""

    mode: Literal["single", "cluster", "sentinel"] = "single"
    """The kind of server at the URL: a single server, a node of a cluster, or a sentinel."""

    nodes: Nodes = ()
    """Modes cluster and sentinel: further nodes as host:port. One node that answers is enough to find the others."""

    service: Text | None = None
    """Mode sentinel: the name that the sentinels use for the master."""

    encryption_key: SecretLines | None = None
    """The keys that encrypt tokens: 32 random bytes each in URL-safe Base64, one key per line. The first key encrypts, all keys
    decrypt."""

    encryption_key_file: Path | None = None
    """A file that contains the encryption keys."""

    insecure_hosts: Items = ()
    """Redis hosts other than this machine that may be reached without TLS (redis://). An eavesdropper on that network sees the
    password, and can delete tokens but not read them. List the hosts that a cluster or sentinel reports, too: names, addresses,
    or networks such as 10.42.0.0/16."""

    ca_file: ReadableFile | None = None
    """A PEM file with the certificate authorities to trust instead of the default ones. Certificates are always checked."""

    lease: Seconds = LONGEST_LEASE
    """Seconds after which another process fetches the token if the process that holds the lease has died. A shared fetch always
    takes less time than this."""

    @property
    def scheme(self) -> str:
        """The URL's scheme; empty without a URL."""
        return urlsplit(self.url.reveal()).scheme if self.url else ""

    @property
    def database(self) -> str:
        """The URL's database; empty for the first one."""
        return urlsplit(self.url.reveal()).path.strip("/") if self.url and self.scheme not in _LOCAL else ""

    @property
    def path(self) -> Path | None:
        """The file of a file:// URL; None for a server."""
        return Path(unquote(urlsplit(self.url.reveal()).path)) if self.url and self.scheme == "file" else None

    @property
    def kind(self) -> Literal["file", "redis"]:
        """The kind of store."""
        return "file" if self.scheme == "file" else "redis"


def store_problems(store: TokenStore) -> Iterator[tuple[str, str]]:
    """Yield each missing or contradictory setting: its key and the problem."""
    from ..oauth.shared.connection import may_be_plain
    from ..oauth.shared.keyring import HOW_TO_MAKE_ONE, Keyring

    if store.url is None:
        yield "url", "missing: set the URL of a Redis server or of a file, or remove the table to keep tokens in memory"
        return
    if store.mode != "single" and store.scheme in _LOCAL:
        yield "url", f"mode {store.mode!r} needs a host: {store.scheme}:// is a single place on this machine"
    if store.mode == "cluster" and store.database not in {"", "0"}:
        yield "url", "expected database 0: a cluster has no other"
    if store.mode == "sentinel" and store.service is None:
        yield "service", "missing: mode 'sentinel' needs the name that the sentinels use for the master"
    if store.encryption_key is None:
        yield "encryption_key_file", f"missing: tokens are shared only in encrypted form. {HOW_TO_MAKE_ONE}"
    elif isinstance(problem := Keyring.read(store.encryption_key), str):
        yield "encryption_key" if store.encryption_key_file is None else "encryption_key_file", f"{problem}. {HOW_TO_MAKE_ONE}"
    hosts = [unquote(urlsplit(store.url.reveal()).hostname or ""), *(address_of(node)[0] for node in store.nodes)]
    if store.scheme == "redis" and not all(may_be_plain(host, store.insecure_hosts) for host in hosts):
        yield "url", "expected rediss://: without TLS, hosts other than this machine must be named in insecure_hosts"
