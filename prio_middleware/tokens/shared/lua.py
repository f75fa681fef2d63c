"""The scripts that change, in one step each, what a Redis keeps for one token.

A value of another type than ours is taken for none, and is overwritten by the next one that belongs there. Of one that is
longer than any of ours, a part is enough to see that. All times are relative, and counted by Redis: no host's clock has a say.
"""

from __future__ import annotations

from typing import Final

SIZE_LIMIT: Final = 64 * 1024
"""Bytes of a value that are looked at. All of ours are shorter."""

_GET: Final = f"""
local function get(key)
  local found = redis.pcall('GET', key)
  return type(found) == 'string' and string.sub(found, 1, {SIZE_LIMIT + 1}) or nil
end
"""

_DROPPED: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function is_dropped(key, generation)
  local score = redis.pcall('ZSCORE', key, generation)
  return type(score) == 'string' and tonumber(score) > now
end
"""

LOOK: Final = (
    _GET
    + _DROPPED
    + """
-- KEYS: record, dropped, refusal. ARGV: channel, then pairs of a refused generation and its milliseconds.
local record = get(KEYS[1])
local generation = record and string.sub(record, 1, 32)
for i = 2, #ARGV, 2 do
  local is_new, is_kept = not is_dropped(KEYS[2], ARGV[i]), generation == ARGV[i]
  if is_kept then
    redis.call('DEL', KEYS[1])
    record = nil
  end
  if is_new then
    local added = redis.pcall('ZADD', KEYS[2], now + ARGV[i + 1], ARGV[i])
    -- Only another type gives way. A store that is full keeps what it knows of other generations.
    if type(added) == 'table' and string.find(added.err, 'WRONGTYPE', 1, true) then
      redis.call('DEL', KEYS[2])
      redis.pcall('ZADD', KEYS[2], now + ARGV[i + 1], ARGV[i])
    end
    redis.pcall('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
    if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[i + 1]) then redis.call('PEXPIRE', KEYS[2], ARGV[i + 1]) end
  end
  -- Others may have it in memory, also where the record has gone, or is another one by now.
  if is_new or is_kept then redis.call('PUBLISH', ARGV[1], ARGV[i]) end
end
if record and is_dropped(KEYS[2], generation) then
  redis.call('DEL', KEYS[1])
  record = nil
end
return {record or false, redis.call('PTTL', KEYS[1]), get(KEYS[3]) or false, redis.call('PTTL', KEYS[3])}
"""
)
"""What there is, after what was refused is dropped."""

LEAD: Final = (
    _GET
    + """
-- KEYS: record, lease, refusal. ARGV: the generation that was seen, owner, holder, milliseconds, the refusal that was seen.
if string.sub(get(KEYS[1]) or '', 1, 32) ~= ARGV[1] or (get(KEYS[3]) or '') ~= ARGV[5] then return {0, 0} end
local holder = get(KEYS[2])
local left = redis.call('PTTL', KEYS[2])  -- Negative: it never ends, so it is none of ours.
if holder and left >= 0 and string.sub(holder, 1, #ARGV[2]) ~= ARGV[2] then return {0, math.max(left, 1)} end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
return {1, 0}
"""
)
"""The lease, unless somebody holds it, or the record or the refusal has changed."""

PUBLISH: Final = (
    _GET
    + _DROPPED
    + """
-- KEYS: record, lease, dropped, refusal. ARGV: holder, milliseconds of the lease, generation, sealed, milliseconds of life.
if get(KEYS[2]) ~= ARGV[1] then return 0 end
local life = ARGV[5] - math.max(0, ARGV[2] - redis.call('PTTL', KEYS[2]))
redis.call('DEL', KEYS[2])
if life < 1 or is_dropped(KEYS[3], ARGV[3]) then return 0 end
redis.call('SET', KEYS[1], ARGV[3] .. ARGV[4], 'PX', string.format('%d', life))
redis.call('DEL', KEYS[4])
return 1
"""
)
"""A token for all, if the lease is still held. Its life began with the lease, and so is counted from there."""

REFUSE: Final = (
    _GET
    + """
-- KEYS: lease, refusal. ARGV: holder, sealed, milliseconds.
if get(KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
"""
)
"""A refusal for all, if the lease is still held."""

RELEASE: Final = (
    _GET
    + """
-- KEYS: lease. ARGV: holder.
if get(KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""
)
"""The lease, given back."""
