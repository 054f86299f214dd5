"""The counters that enforce limits, on Redis, by the server's clock. See `agent.metering`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from redis.asyncio import Redis

from agent.adapters.streams.client import SharedPipeline
from agent.adapters.streams.keys import Keys
from agent.metering import OPENING_S, STALE_S, LimitName, Room, Scope, Used, Verdict

KEPT_S = 172_800
MICRO = 1_000_000

ENTER = """
local t = redis.call('TIME')
local now = tonumber(t[1])
local day = math.floor(now / 86400)
local rooms, refused, by, wait = {}, '', 0, 0

local function window(counts, limit)
  local sum, newest, frees = 0, 0, 0
  table.sort(counts, function(a, b) return a[1] < b[1] end)
  for _, it in ipairs(counts) do
    sum = sum + it[2]
    newest = it[1]
  end
  if limit then
    local over = sum - limit + 1
    for _, it in ipairs(counts) do
      if over <= 0 then break end
      over = over - it[2]
      frees = it[1] + 60 - now
    end
  end
  return sum, newest > 0 and newest + 60 - now or 0, frees
end

local function refuse(name, scope, seconds)
  if refused == '' then refused, by, wait = name, scope, math.max(seconds, 1) end
end

for scope = 1, #KEYS / 2 do
  local hash, open = KEYS[2 * scope - 1], KEYS[2 * scope]
  local at = 3 + 4 * (scope - 1)
  local limits = {}
  for i = 1, 4 do limits[i] = tonumber(ARGV[at + i]) end
  local found, seen, began, tokens, old = redis.call('HGETALL', hash), {}, {}, {}, {}
  for i = 1, #found, 2 do
    local name, value = found[i], found[i + 1]
    local second = tonumber(string.match(name, '^[rt](%d+)$') or '')
    if not second then
      seen[name] = value
    elseif second <= now - 60 then
      old[#old + 1] = name
    else
      local counts = string.sub(name, 1, 1) == 'r' and began or tokens
      counts[#counts + 1] = {second, tonumber(value)}
    end
  end
  local filled = tonumber(seen.filled or '')
  local stale = (limits[2] or limits[4]) and seen.settled ~= '1' and now - (filled or 0) > tonumber(ARGV[2])
  if not filled or stale then return {'unknown'} end
  for i = 1, #old do redis.call('HDEL', hash, old[i]) end
  local requests, requests_reset, request_frees = window(began, limits[1])
  local used, tokens_reset, token_frees = window(tokens, limits[2])
  local spent = seen.day == tostring(day) and tonumber(seen.usd or '0') or 0
  if limits[4] and spent >= limits[4] then refuse('usd_per_day', scope, (day + 1) * 86400 - now) end
  if limits[1] and requests >= limits[1] then refuse('requests_per_min', scope, request_frees) end
  if limits[2] and used >= limits[2] then refuse('tokens_per_min', scope, token_frees) end
  if limits[3] and redis.call('ZCARD', open) >= limits[3] and not redis.call('ZSCORE', open, ARGV[1]) then
    refuse('concurrent_runs', scope, 1)
  end
  rooms[scope] = {requests, used, requests_reset, tokens_reset}
end

for scope = 1, #KEYS / 2 do
  local hash, open = KEYS[2 * scope - 1], KEYS[2 * scope]
  if refused == '' then
    redis.call('HINCRBY', hash, 'r' .. now, 1)
    redis.call('HSET', hash, 'settled', '0')
    if ARGV[4 * scope + 1] ~= '' or ARGV[4 * scope + 2] ~= '' or ARGV[4 * scope + 3] ~= '' then
      redis.call('ZADD', open, now, ARGV[1])
      redis.call('EXPIRE', open, ARGV[3])
    end
    rooms[scope][1], rooms[scope][3] = rooms[scope][1] + 1, 60
    redis.call('EXPIRE', hash, ARGV[3])
  end
end
return {'known', refused, by, wait, rooms}
"""
"""Look at every scope first, and count only if all of them have room.

KEYS are each scope's hash of counts and set of open runs; ARGV is the run, after how long unfilled counters are not
believed, how long they are kept, and four limits a scope, empty where there is none; dollars in millionths.
"""

FILL = """
local now = tonumber(redis.call('TIME')[1])
local used = cjson.decode(ARGV[1])
local known = redis.call('HGET', KEYS[1], 'filled')
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.match(name, '^t%d+$') then redis.call('HDEL', KEYS[1], name) end
end
for age, count in pairs(used.tokens) do redis.call('HSET', KEYS[1], 't' .. (now - tonumber(age)), count) end
if not known then
  for age, count in pairs(used.began) do redis.call('HSET', KEYS[1], 'r' .. (now - tonumber(age)), count) end
end
local there = {}
for _, run in ipairs(used.open) do
  there[run] = true
  if not redis.call('ZSCORE', KEYS[2], run) then redis.call('ZADD', KEYS[2], now, run) end
end
for _, run in ipairs(used.ended) do redis.call('ZREM', KEYS[2], run) end
for _, run in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]))) do
  if not there[run] then redis.call('ZREM', KEYS[2], run) end
end
local open = redis.call('ZCARD', KEYS[2])
redis.call('HSET', KEYS[1], 'filled', now, 'settled', open == 0 and '1' or '0', 'usd', used.usd,
           'day', math.floor(now / 86400))
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return open
"""
"""What the ledger says of one scope, written over what stands here; only requests are never counted down by it."""


class RedisCounters:
    """See `agent.metering.Counters`."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._keys = keys
        self._pipeline = SharedPipeline(client)

    async def enter(self, run: str, scopes: Sequence[Scope], /) -> Verdict:
        names = [name for scope in scopes for name in self._names(scope)]
        limits = [limit for scope in scopes for limit in _limits(scope)]
        said = await self._pipeline.do("EVAL", ENTER, len(names), *names, run, STALE_S, KEPT_S, *limits)
        if said[0] != "known":
            return Verdict(known=False)
        refused = cast(LimitName, said[1]) if said[1] else None
        return Verdict(
            [Room(*map(int, room)) for room in said[4]], True, refused, max(int(said[2]) - 1, 0), int(said[3])
        )

    async def fill(self, scopes: Sequence[Scope], used: Mapping[str | None, Used], /) -> bool:
        fills = (self._fill(scope, used.get(scope.key, Used())) for scope in scopes)
        return any(await asyncio.gather(*fills))

    async def leave(self, run: str, scopes: Sequence[Scope], /) -> None:
        await asyncio.gather(*(self._pipeline.do("ZREM", self._names(scope)[1], run) for scope in scopes))

    async def _fill(self, scope: Scope, used: Used) -> int:
        told = {
            "began": {str(age): count for age, count in used.began.items()},
            "tokens": {str(age): count for age, count in used.tokens.items()},
            "open": sorted(used.open),
            "ended": sorted(used.ended),
            "usd": str(int(used.usd * MICRO)),
        }
        names = self._names(scope)
        left: Any = await self._pipeline.do("EVAL", FILL, len(names), *names, json.dumps(told), OPENING_S, KEPT_S)
        return int(left)

    def _names(self, scope: Scope) -> tuple[str, str]:
        return self._keys.counts(scope.project, scope.key), self._keys.running(scope.project, scope.key)


def _limits(scope: Scope) -> tuple[Any, ...]:
    limits = scope.limits
    usd = None if limits.usd_per_day is None else int(limits.usd_per_day * MICRO)
    found = (limits.requests_per_min, limits.tokens_per_min, limits.concurrent_runs, usd)
    return tuple("" if limit is None else limit for limit in found)
