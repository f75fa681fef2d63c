"""What must hold between the settings of one client. Pure: a client in, problems out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..plain_http import insecure_url, is_loopback
from ..presets import PRESETS
from ..shares import part_of
from .layers import variable
from .problems import KeyPath, Problem
from .token_store import store_problems

if TYPE_CHECKING:
    from .client import ClientSettings


_URLS = frozenset({"base_url", "token_url", "discovery", "allowed_origins", "allowed_token_origins"})


def check(client: ClientSettings) -> Iterator[Problem]:
    """Everything that is missing or contradictory."""
    yield from _server(client)
    yield from _discovery(client)
    yield from _credentials(client)
    yield from _plain_http(client)
    yield from _numbers(client)
    yield from _token_store(client)
    yield from _budget_guard(client)


def _server(client: ClientSettings) -> Iterator[Problem]:
    given = client.model_fields_set
    for key in ("environment", "version"):
        if key in given and "base_url" in given:
            yield Problem((key,), "base_url is given too, and says the same: keep one of them")
        elif key in given and client.preset != "prio":
            yield Problem((key,), f"only preset 'prio' has it; preset {client.preset!r} takes base_url and token_url")
    for key in ("base_url",) if client.discovery else ("base_url", "token_url"):
        if not getattr(client, key):
            yield _missing(client, key, f"preset {client.preset!r} knows no default")


def _discovery(client: ClientSettings) -> Iterator[Problem]:
    if client.discovery is None:
        if client.allowed_token_origins:
            yield Problem(("allowed_token_origins",), "only discovery has a use for it: token_url says where to ask")
        return
    if client.token_url:
        yield Problem(("token_url",), "discovery is given too, and finds it: keep one of them")
    if client.issuer not in {None, client.discovery}:
        yield Problem(("issuer",), "discovery names another one: keep one of them")


def _credentials(client: ClientSettings) -> Iterator[Problem]:
    if not client.client_id:
        yield _missing(client, "client_id")
    wanted, other = "client_secret", "private_key"
    if client.client_auth == "private_key_jwt":
        wanted, other = other, wanted
    if getattr(client, wanted) is None:
        yield _missing(client, wanted, f"client_auth {client.client_auth!r} needs it")
    if getattr(client, other) is not None:
        yield Problem((other,), f"client_auth {client.client_auth!r} takes {wanted}, not {other}: remove one of them")
    if client.key_id is not None and wanted != "private_key":
        yield Problem(("key_id",), f"client_auth {client.client_auth!r} has no use for it: it names a private key")


def _plain_http(client: ClientSettings) -> Iterator[Problem]:
    hosts = client.loopback_http_hosts
    if not all(is_loopback(host.strip("[]")) for host in hosts):
        expected = "expected loopback hosts only (localhost, 127.0.0.1, ::1), without scheme and port"
        yield Problem(("loopback_http_hosts",), expected)
        return
    for key in sorted(_URLS & client.model_fields_set):
        value = getattr(client, key)
        if any(insecure_url(url, hosts) for url in ([value] if isinstance(value, str) else value or ())):
            yield Problem((key,), "expected https://: plain HTTP is for loopback hosts that loopback_http_hosts names")


def _numbers(client: ClientSettings) -> Iterator[Problem]:
    if client.default_lifetime > client.max_lifetime:
        yield Problem(("default_lifetime",), "expected at most max_lifetime")
    if client.token_timeout > client.token_deadline:
        yield Problem(("token_timeout",), "expected at most token_deadline, which bounds all tries together")


def _token_store(client: ClientSettings) -> Iterator[Problem]:
    if client.token_store is not None:
        yield from (Problem(("token_store", key), text) for key, text in store_problems(client.token_store))


def _budget_guard(client: ClientSettings) -> Iterator[Problem]:
    guard, preset = client.budget_guard, PRESETS[client.preset]
    if guard is None:
        return
    if client.pipeline and all(component.use != "budget_guard" for component in client.pipeline):
        yield Problem(("budget_guard",), "the pipeline does not have it: put budget_guard into it, after https_enforcer")
    limits = {
        "client_errors": guard.client_errors or preset.client_error_limit,
        "requests": guard.requests or preset.request_limit,
    }
    if guard.enforce and not any(limits.values()):
        yield Problem(("budget_guard", "enforce"), f"preset {client.preset!r} knows no limits: set client_errors or requests")
    for name, limit in limits.items():
        if limit is not None and not part_of(limit, guard.share):
            yield Problem(("budget_guard", "share"), f"leaves not one of {name} in a minute: expected at least {1 / limit:.3g}")


def _missing(client: ClientSettings, key: str, why: str = "every client has its own") -> Problem:
    """Says where to put it: this is the first error a new user meets."""
    table: KeyPath = () if client.name == "default" else ("clients", client.name)
    place = f"{key} under [{'.'.join(table)}]" if table else key
    return Problem((key,), f"missing; {why}. Set {variable((*table, key))}, or {place} in prio.toml", missing=True)
