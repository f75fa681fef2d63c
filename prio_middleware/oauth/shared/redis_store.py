"""Redis as shared store: its scripts and commands."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ..._util.clock import Clock, current_clock
from .connection import RedisAddress, close, connect
from .store import Lease, LeaseReply, SharedStore, StoreEntry, StoreFailure
from .subscriber import Subscriber

if TYPE_CHECKING:
    from .connection import Client

VALUE_SIZE_LIMIT: Final = 64 * 1024  # Maximum bytes that are read of a value. All values of this package are shorter.
PREFIX = "prio-middleware"  # Prefix of every Redis key and of the channel.
CHANNEL = f"{PREFIX}:dropped"  # Channel that announces dropped token ids.
IDLE_LIMIT = 30.0  # Seconds after which an idle connection is not reused: a firewall may have dropped it silently.

# Functions of all scripts.
_FUNCTIONS: Final = f"""
local function get(key)
  local found = redis.pcall('GET', key)
  return type(found) == 'string' and string.sub(found, 1, {VALUE_SIZE_LIMIT + 1}) or nil
end
local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function is_dropped(key, token_id)
  local score = redis.pcall('ZSCORE', key, token_id)
  return type(score) == 'string' and tonumber(score) > milliseconds()
end
"""

READ: Final = """
-- KEYS: record, dropped, error. ARGV: channel, then pairs of a rejected token id and its milliseconds.
local record, now = get(KEYS[1]), milliseconds()
local token_id = record and string.sub(record, 1, 32)
for i = 2, #ARGV, 2 do
  local is_new, is_stored = not is_dropped(KEYS[2], ARGV[i]), token_id == ARGV[i]
  if is_stored then
    redis.call('DEL', KEYS[1])
    record = nil
  end
  if is_new then
    local added = redis.pcall('ZADD', KEYS[2], now + ARGV[i + 1], ARGV[i])
    -- Replace a value of another type. On any other error, such as a full store, keep the key: it holds other dropped ids.
    if type(added) == 'table' and string.find(added.err, 'WRONGTYPE', 1, true) then
      redis.call('DEL', KEYS[2])
      redis.pcall('ZADD', KEYS[2], now + ARGV[i + 1], ARGV[i])
    end
    redis.pcall('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
    if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[i + 1]) then redis.call('PEXPIRE', KEYS[2], ARGV[i + 1]) end
  end
  -- Other processes may have it in memory, even if the record is gone or replaced.
  if is_new or is_stored then redis.call('PUBLISH', ARGV[1], ARGV[i]) end
end
if record and is_dropped(KEYS[2], token_id) then
  redis.call('DEL', KEYS[1])
  record = nil
end
return {record or false, redis.call('PTTL', KEYS[1]), get(KEYS[3]) or false, redis.call('PTTL', KEYS[3])}
"""

ACQUIRE_LEASE: Final = """
-- KEYS: record, lease, error. ARGV: the token id that was read, owner, holder, milliseconds, the error that was read.
if string.sub(get(KEYS[1]) or '', 1, 32) ~= ARGV[1] or (get(KEYS[3]) or '') ~= ARGV[5] then return {0, 0} end
local holder = get(KEYS[2])
local left = redis.call('PTTL', KEYS[2])  -- Negative: it has no expiry, so it is not a lease.
if holder and left >= 0 and string.sub(holder, 1, #ARGV[2]) ~= ARGV[2] then return {0, math.max(left, 1)} end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return {1, 0}
"""

PUBLISH_TOKEN: Final = """
-- KEYS: record, lease, dropped, error. ARGV: holder, milliseconds of the lease, token id, sealed, milliseconds of life.
if get(KEYS[2]) ~= ARGV[1] then return 0 end
local life = ARGV[5] - math.max(0, ARGV[2] - redis.call('PTTL', KEYS[2]))  -- It counts from the start of the lease.
redis.call('DEL', KEYS[2])
if life < 1 or is_dropped(KEYS[3], ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[3] .. ARGV[4], 'PX', string.format('%d', life))
redis.call('DEL', KEYS[4])
return 1
"""

PUBLISH_ERROR: Final = """
-- KEYS: lease, error. ARGV: holder, sealed, milliseconds.
if get(KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
"""

RELEASE_LEASE: Final = """
-- KEYS: lease. ARGV: holder.
if get(KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""

T = TypeVar("T")

_ERROR_CODE = re.compile(r"[A-Z]{2,20}\b")


class _Connection(NamedTuple):
    client: Any
    pid: int
    used_at: float


class RedisStore(SharedStore):
    """Shared store in Redis: one script for each operation, on a connection of this process.

    After a failure the connection is replaced, so that a master that has moved is found. ``clock`` counts seconds.
    """

    def __init__(self, address: RedisAddress, clock: Clock | None = None, connect: Callable[..., Client] = connect) -> None:
        self._address = address
        self._clock = clock or current_clock()
        self._connect = connect
        self._connections: list[_Connection] = []  # At most one, in a list that the finalizer can empty.
        weakref.finalize(self, _close, self._connections)
        self._subscriber = Subscriber(lambda: connect(address, health_check_interval=30), CHANNEL)

    def drop_and_read(self, name: str, rejected: Mapping[str, float]) -> StoreEntry | StoreFailure:
        pairs = [part for token_id, seconds in rejected.items() for part in (token_id, _milliseconds(seconds))]
        return self._run_script(READ, _redis_keys(name, "token", "dropped", "error"), [CHANNEL, *pairs], _parse_entry)

    def acquire_lease(self, name: str, entry: StoreEntry, lease: Lease) -> LeaseReply | StoreFailure:
        token_id, error = entry.token_id.encode("latin-1"), entry.error or b""
        arguments = [token_id, f"{lease.owner_id}:", lease.holder, _milliseconds(lease.seconds), error]
        return self._run_script(ACQUIRE_LEASE, _redis_keys(name, "token", "lease", "error"), arguments, _parse_lease_reply)

    def publish_token(self, name: str, lease: Lease, token_id: str, sealed: bytes, seconds: float) -> bool | StoreFailure:
        arguments = [lease.holder, _milliseconds(lease.seconds), token_id, sealed, int(seconds * 1000)]
        return self._run_script(PUBLISH_TOKEN, _redis_keys(name, "token", "lease", "dropped", "error"), arguments, _parse_bool)

    def publish_error(self, name: str, lease: Lease, sealed: bytes, seconds: float) -> bool | StoreFailure:
        arguments = [lease.holder, sealed, _milliseconds(seconds)]
        return self._run_script(PUBLISH_ERROR, _redis_keys(name, "lease", "error"), arguments, _parse_bool)

    def release_lease(self, name: str, lease: Lease) -> bool | StoreFailure:
        return self._run_script(RELEASE_LEASE, _redis_keys(name, "lease"), [lease.holder], _parse_bool)

    def listen(self, dropped: Callable[[str], None]) -> None:
        self._subscriber.listen(dropped)

    def __repr__(self) -> str:
        return f"<RedisStore {self._address!r}>"

    def _run_script(self, script: str, redis_keys: list[str], args: list[Any], parse: Callable[[Any], T]) -> T | StoreFailure:
        try:
            # The whole script each time: after a restart or a failover, the server does not know its hash.
            return parse(self._client().eval(_FUNCTIONS + script, len(redis_keys), *redis_keys, *args))
        except Exception as error:  # noqa: BLE001 - redis-py, sockets, TLS and malformed replies raise many types
            _close(self._connections)
            # The error's type, and Redis's own code if there is one. The rest of the text may contain anything.
            code = _ERROR_CODE.match(str(error))
            return StoreFailure(f"{type(error).__name__} {code[0]}" if code else type(error).__name__)

    def _client(self) -> Client:
        now, pid = self._clock(), os.getpid()
        client: Client | None = None
        for connection in self._connections[-1:]:
            # The connection of a parent process is not used, even if no fork hook ran.
            if connection.pid == pid and now - connection.used_at < IDLE_LIMIT:
                client = connection.client
        if client is None:
            _close(self._connections)
            client = self._connect(self._address)
        self._connections[:] = [_Connection(client, pid, now)]
        return client


def _close(connections: list[_Connection]) -> None:
    """Close the connections. In a forked child, those of its parent stay open for the parent."""
    while connections:
        close(connections.pop().client)


def _redis_keys(name: str, *kinds: str) -> list[str]:
    # The braces put the keys into one slot of a cluster: a script may use one slot only.
    return [f"{PREFIX}:{{{name}}}:{kind}" for kind in kinds]


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _parse_entry(reply: Any) -> StoreEntry:
    record, record_ms, error, error_ms = reply
    for value in (record, error):
        if value is not None and not isinstance(value, bytes):
            raise TypeError("neither bytes nor None")
    return StoreEntry(record, int(record_ms) / 1000, error, int(error_ms) / 1000)


def _parse_lease_reply(reply: Any) -> LeaseReply:
    granted, wait_ms = reply
    return LeaseReply(int(granted) == 1, int(wait_ms) / 1000)


def _parse_bool(reply: Any) -> bool:
    return int(reply) == 1
