"""Settings that say where processes share their tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer, PlainValidator

from ..plain_http import is_loopback
from ..secret import Secret
from .server import PresetBased
from .values import CONTROL, Items, ReadableFile, Seconds, SecretLines, Text, split_items

Address = tuple[str, int]

_EXPECTED = (
    "expected a URL such as rediss://user:password@redis.example.com:6379/0, redis://localhost or unix:///run/redis.sock"
)
_SCHEMES = ("redis", "rediss", "unix")


def _secret_url(value: object) -> Secret:
    text = value.reveal() if isinstance(value, Secret) else value
    if not isinstance(text, str) or CONTROL.search(text):
        raise ValueError(_EXPECTED)
    problem = url_problem(text)
    if problem:
        raise ValueError(problem)
    return Secret(text)


def url_problem(text: str) -> str | None:
    """What is wrong with the URL, in words that hold nothing of it."""
    try:
        url = urlsplit(text)
        _ = url.port  # It raises for one that is no number.
    except ValueError:
        return _EXPECTED
    if url.query or url.fragment:
        return (
            "expected a URL without a query (?...): waits and retries are bounded here, certificates are always checked, "
            "and ca_file names an authority of your own"
        )
    return None if _is_complete(url) else _EXPECTED


def _is_complete(url: SplitResult) -> bool:
    if url.scheme == "unix":
        return url.hostname is None and url.path.startswith("/")
    database = url.path.removeprefix("/")
    return url.scheme in _SCHEMES and bool(url.hostname) and (not database or database.isdecimal())


def _node(text: str) -> str:
    address_of(text)
    return text


def address_of(text: str) -> Address:
    """Host and port of ``host:port`` or ``[::1]:port``.

    Raises:
        ValueError: it is neither.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or set(text) & set("/?#@"):
        raise ValueError("expected nodes such as redis-2.example.com:6379")
    return host, port


SecretStoreUrl = Annotated[
    Secret, PlainValidator(_secret_url, json_schema_input_type=str), PlainSerializer(str, when_used="json")
]
"""A Redis URL, which may hold a password."""

Nodes = Annotated[
    tuple[Annotated[Text, AfterValidator(_node)], ...], BeforeValidator(split_items, json_schema_input_type=list[str] | str)
]
"""A list of ``host:port``, or one text with commas or spaces between them."""


class TokenStore(BaseModel):
    """Where processes share their tokens. Without it, each keeps its own in memory."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    url: SecretStoreUrl | None = None
    """The Redis, or Valkey: rediss://user:password@host:port/database, unix:///path, or redis:// where nobody can listen. With
    mode cluster or sentinel, the first node. It may hold a password, so it is never shown."""

    mode: Literal["single", "cluster", "sentinel"] = "single"
    """What answers at the URL: one server, a node of a cluster, or a sentinel."""

    nodes: Nodes = ()
    """Modes cluster and sentinel: further nodes, host:port each. One that answers is enough to find the others."""

    service: Text | None = None
    """Mode sentinel: what the sentinels call the master."""

    encryption_key: SecretLines | None = None
    """The keys that tokens are encrypted with: 32 random bytes in URL-safe Base64, one a line. The first encrypts, and all of
    them decrypt."""

    encryption_key_file: Path | None = None
    """A file that holds them."""

    plain_hosts: Items = ()
    """Hosts that may be spoken to over redis://, without TLS, though they are not this machine: whoever sees that network sees
    the password, and can delete tokens, but not read them. This machine needs no naming. Hosts that a cluster or a sentinel
    names may be elsewhere if any is named here."""

    ca_file: ReadableFile | None = None
    """A PEM file with the certificate authorities to trust instead of the usual ones. Certificates are always checked."""

    lease: Seconds = 10.0
    """Seconds after which another process fetches the token, if the one that set out to fetch it has died. A fetch for all is
    always shorter."""

    def addresses(self) -> Iterator[tuple[str, int | None]]:
        """Every host that is named, with its port where it has one."""
        url = urlsplit(self.url.reveal() if self.url else "")
        if url.hostname:
            yield unquote(url.hostname), url.port
        yield from map(address_of, self.nodes)

    @property
    def scheme(self) -> str:
        """Of the URL."""
        return urlsplit(self.url.reveal()).scheme if self.url else ""

    @property
    def database(self) -> str:
        """Of the URL; empty: the first."""
        return urlsplit(self.url.reveal()).path.strip("/") if self.url and self.scheme != "unix" else ""


class Sharing(PresetBased):
    """What processes share."""

    token_store: TokenStore | None = None
    """Where processes share their tokens."""


def store_problems(store: TokenStore) -> Iterator[tuple[str, str]]:
    """Everything that is missing or contradictory, each with its key."""
    if store.url is None:
        yield "url", "missing: a token store is a Redis; leave the table out to keep tokens in memory"
        return
    yield from _mode(store)
    yield from _encryption(store)
    yield from _transport(store)


def _mode(store: TokenStore) -> Iterator[tuple[str, str]]:
    if store.mode != "single" and store.scheme == "unix":
        yield "url", f"mode {store.mode!r} needs a host: a socket of this machine is a single server"
    if store.mode == "cluster" and store.database not in {"", "0"}:
        yield "url", "a cluster has no other database than 0"
    if store.mode == "single" and store.nodes:
        yield "nodes", "mode 'single' has one only, in url; other modes are 'cluster' and 'sentinel'"
    if store.mode == "sentinel" and store.service is None:
        yield "service", "missing: mode 'sentinel' needs what the sentinels call the master"
    if store.mode != "sentinel" and store.service is not None:
        yield "service", f"mode {store.mode!r} has no use for it: it is what sentinels call a master"


def _encryption(store: TokenStore) -> Iterator[tuple[str, str]]:
    from ..tokens.shared.keyring import HOW_TO_MAKE_ONE, Keyring

    key = "encryption_key" if store.encryption_key_file is None else "encryption_key_file"
    if store.encryption_key is None:
        yield "encryption_key_file", f"missing: tokens are shared encrypted or not at all. {HOW_TO_MAKE_ONE}"
    elif isinstance(problem := Keyring.read(store.encryption_key), str):
        yield key, f"{problem}. {HOW_TO_MAKE_ONE}"


def _transport(store: TokenStore) -> Iterator[tuple[str, str]]:
    if store.ca_file is not None and store.scheme != "rediss":
        yield "ca_file", f"{store.scheme}:// has no use for it: it is for rediss://"
    hosts, named = [host for host, _ in store.addresses()], {host.lower() for host in store.plain_hosts}
    if store.scheme == "redis" and not all(is_loopback(host) or host.lower() in named for host in hosts):
        yield "url", "expected rediss://: without TLS, hosts other than this machine must be named in plain_hosts"
