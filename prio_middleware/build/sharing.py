"""Where processes share tokens, as the settings say."""

from __future__ import annotations

from typing import NamedTuple

from ..secret import Secret
from ..settings import ClientSettings
from ..settings.token_store import TokenStore, address_of
from ..tokens.shared.circuit import Circuit
from ..tokens.shared.connect import RedisAddress, require_redis
from ..tokens.shared.keyring import Keyring
from ..tokens.shared.observed import observer
from ..tokens.shared.redis_store import RedisStore
from ..tokens.shared.tokens import SharedTokens


class Shared(NamedTuple):
    """A Redis, and what is known of its health: the same for all clients that use it."""

    store: RedisStore
    circuit: Circuit


_stores: dict[RedisAddress, Shared] = {}


def build_shared_tokens(settings: ClientSettings) -> SharedTokens | None:
    """What shares the client's tokens; None: its tokens are its own.

    Raises:
        ConfigurationError: a package that it takes is not installed.
    """
    table = settings.token_store
    if table is None:
        return None
    require_redis(settings.name)
    keyring = Keyring.read(table.encryption_key or Secret(""))
    assert isinstance(keyring, Keyring)  # noqa: S101 - the settings were checked
    shared = _shared(_address(table))
    return SharedTokens(
        shared.store,
        keyring,
        hold_back=settings.hold_back,
        lease=table.lease,
        circuit=shared.circuit,
        observe=observer(settings.name),
    )


def forget_stores() -> None:
    """Keep no connection for clients to come."""
    _stores.clear()


def _shared(address: RedisAddress) -> Shared:
    known = _stores.get(address)
    return _stores.setdefault(address, Shared(RedisStore(address), Circuit())) if known is None else known


def _address(table: TokenStore) -> RedisAddress:
    return RedisAddress(
        table.url or Secret(""),
        table.mode,
        tuple(map(address_of, table.nodes)),
        table.service,
        table.ca_file,
        plain_elsewhere=bool(table.plain_hosts),
    )
