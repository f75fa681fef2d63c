"""Shared tokens from settings: one connection for all clients that use the same store.

It is imported with the first client that has a store, because it loads a fifth of this package.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from .._util.secret import Secret
from ..oauth.shared.circuit_breaker import CircuitBreaker
from ..oauth.shared.connection import RedisAddress, require_packages
from ..oauth.shared.coordinator import SharedTokens
from ..oauth.shared.file_store import FileStore
from ..oauth.shared.keyring import Keyring
from ..oauth.shared.redis_store import RedisStore
from ..oauth.shared.store import SharedStore, store_observer
from ..settings import ClientSettings
from ..settings.token_store import TokenStore, address_of
from ..telemetry.counters import ClientCounters


class KeptStore(NamedTuple):
    """Store with its circuit breaker, shared by all clients that use it."""

    store: SharedStore
    circuit: CircuitBreaker


_stores: dict[RedisAddress | Path, KeptStore] = {}


def build_shared_tokens(settings: ClientSettings, table: TokenStore, counters: ClientCounters) -> SharedTokens:
    """Return the coordinator of shared tokens of a client, in the store that ``table`` names.

    Raises:
        ConfigurationError: a required package is not installed.
    """
    require_packages(table.kind, settings.name)
    keyring = Keyring.read(table.encryption_key or Secret(""))
    assert isinstance(keyring, Keyring)  # noqa: S101 - the settings were checked
    place = table.path or RedisAddress(
        table.url or Secret(""),
        table.mode,
        tuple(map(address_of, table.nodes)),
        table.service,
        table.ca_file,
        table.insecure_hosts,
    )
    shared = _stores.get(place)
    if shared is None:
        store = FileStore(place) if isinstance(place, Path) else RedisStore(place)
        shared = _stores.setdefault(place, KeptStore(store, CircuitBreaker()))
    return SharedTokens(
        shared.store,
        keyring,
        failure_cooldown=settings.failure_cooldown,
        kind=table.kind,
        lease=table.lease,
        circuit=shared.circuit,
        observe=store_observer(counters),
        client=settings.name,
    )


def forget() -> None:
    """Drop the kept connections, for tests."""
    _stores.clear()
