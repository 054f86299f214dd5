"""What must happen together for pacing. All keys of a model are on one slot; times are the server's, in milliseconds.

KEYS[1] is the model's hash, KEYS[2] the set of calls under way by the end of their lease, KEYS[3] the hash of what is
on hold for one agent only. ARGV[1] is the channel on which holds are told, ARGV[2] to ARGV[4] endpoint, model, agent.

A model's hash has `for:AGENT` for each agent that it is on hold for.

A hash has `kind` while there is a hold, `until` its end, `half` the end of the time that its probe has, and `opens` how
often its breaker opened in a row; what breakers count stands in three parts of their window (`ok0` is the newest).
"""

from __future__ import annotations

PRELUDE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local second = math.floor(now / 1000)
local KEPT_S = 172800

local function tell(key, kind, left, probing)
  local agent = key == KEYS[3] and ARGV[4] or ''
  redis.call('PUBLISH', ARGV[1], cjson.encode({
    endpoint = ARGV[2], model = ARGV[3], agent = agent, kind = kind, left_ms = left, probing = probing}))
end

local function state(key)
  local found = redis.call('HMGET', key, 'until', 'kind', 'half')
  return tonumber(found[1] or 0), found[2] or '', tonumber(found[3] or 0)
end

local function for_one(key) return key == KEYS[3] and ARGV[4] ~= '' end

local function free(key)
  if for_one(key) then redis.call('HDEL', KEYS[1], 'for:' .. ARGV[4]) end
  redis.call('HDEL', key, 'until', 'kind', 'half', 'opens', 'part', 'ok0', 'ok1', 'ok2', 'bad0', 'bad1', 'bad2')
  tell(key, '', 0, false)
end

local function hold(key, left, kind)
  local ends = state(key)
  if now + left > ends then
    redis.call('HSET', key, 'until', now + left, 'kind', kind)
    ends = now + left
  end
  redis.call('HDEL', key, 'half')
  redis.call('EXPIRE', key, KEPT_S)
  if for_one(key) then
    redis.call('HSET', KEYS[1], 'for:' .. ARGV[4], 1)
    redis.call('EXPIRE', KEYS[1], KEPT_S)
  end
  tell(key, redis.call('HGET', key, 'kind'), ends - now, false)
end

local function tally(key, good, part_ms)
  local part = math.floor(now / part_ms)
  local found = redis.call('HMGET', key, 'part', 'ok0', 'ok1', 'ok2', 'bad0', 'bad1', 'bad2')
  local by = part - tonumber(found[1] or 0)
  local function count(name, place) return tonumber(found[(name == 'ok' and 2 or 5) + place] or 0) end
  local sums, told = {}, {'part', part}
  for _, name in ipairs({'ok', 'bad'}) do
    sums[name] = 0
    for place = 0, 2 do
      local value = place >= by and count(name, place - by) or 0
      if place == 0 and good == (name == 'ok') then value = value + 1 end
      sums[name] = sums[name] + value
      told[#told + 1] = name .. place
      told[#told + 1] = value
    end
  end
  if sums.bad == 0 then
    redis.call('HDEL', key, 'part', 'ok0', 'ok1', 'ok2', 'bad0', 'bad1', 'bad2')
  else
    redis.call('HSET', key, unpack(told))
    redis.call('EXPIRE', key, KEPT_S)
  end
  return sums.ok, sums.bad
end

local function open(key, kind, first, most)
  local opens = redis.call('HINCRBY', key, 'opens', 1)
  redis.call('HDEL', key, 'part', 'ok0', 'ok1', 'ok2', 'bad0', 'bad1', 'bad2')
  hold(key, math.min(first * 2 ^ (opens - 1), most), kind)
end

local function count(key, good, kind, probes, at)
  local failures, share, window, first, most =
    tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local ends, held = state(key)
  if held ~= '' then
    if ends > now then return end
    if good and probes then free(key) elseif probes then open(key, kind, first, most) end
    return
  end
  local ok, bad = tally(key, good, math.ceil(window / 3))
  if not good and bad >= failures and bad >= share * (ok + bad) then open(key, kind, first, most) end
end
"""

RESERVE = (
    PRELUDE
    + """
local call, tokens, micros = ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local most_requests, most_tokens = tonumber(ARGV[8]), tonumber(ARGV[9])
local most_calls, most_micros = tonumber(ARGV[10]), tonumber(ARGV[11])
local lease, patience, probe, short = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local spent_before = tonumber(ARGV[16])

local function gate(key)
  local ends, kind, half = state(key)
  if kind == '' then return 0, '', 0 end
  if ends > now then return ends - now, kind, 0 end
  if half > now then return half - now, kind, 0, true end
  if half > 0 and kind == 'rate_limited' then
    free(key)
    return 0, '', 0
  end
  return 0, kind, kind == 'rate_limited' and patience or probe
end

local seen
local function lately(letter)
  if not seen then
    seen = {r = {}, t = {}}
    local found = redis.call('HGETALL', KEYS[1])
    for i = 1, #found, 2 do
      local of, at = string.match(found[i], '^([rt])(%d+)$')
      if at and tonumber(at) <= second - 60 then
        redis.call('HDEL', KEYS[1], found[i])
      elseif at then
        table.insert(seen[of], {tonumber(at), tonumber(found[i + 1])})
      end
    end
  end
  return seen[letter]
end

local function full(letter, amount, most)
  local counts, sum = lately(letter), 0
  for _, it in ipairs(counts) do sum = sum + it[2] end
  if sum == 0 or sum + amount <= most then return 0 end
  table.sort(counts, function(a, b) return a[1] < b[1] end)
  local over, wait = sum + amount - most, 1
  for _, it in ipairs(counts) do
    if over <= 0 then break end
    over = over - it[2]
    wait = (it[1] + 60) * 1000 - now
  end
  return math.max(wait, 1)
end

local function queue(letter, first, amount, most)
  local tail = math.max(tonumber(redis.call('HGET', KEYS[1], 'tail' .. letter) or 0), now + first)
  if tail < now + first + 30000 then
    redis.call('HSET', KEYS[1], 'tail' .. letter, tail + math.ceil(60000 * amount / most))
    redis.call('EXPIRE', KEYS[1], KEPT_S)
  end
  return tail - now
end

local told = {}
for i, key in ipairs({KEYS[1], KEYS[3]}) do
  local wait, kind, probes, probing = gate(key)
  if wait > 0 then return {'hold', kind, wait, probing and short or -1, i == 2 and 1 or 0, probing and 1 or 0} end
  told[i] = {kind, probes}
end
if most_requests then
  local wait = full('r', 1, most_requests)
  if wait > 0 then return {'hold', 'requests_per_min', wait, queue('r', wait, 1, most_requests), 0, 0} end
end
if most_tokens then
  local wait = full('t', tokens, most_tokens)
  if wait > 0 then return {'hold', 'tokens_per_min', wait, queue('t', wait, tokens, most_tokens), 0, 0} end
end
local day = math.floor(second / 86400)
if most_micros then
  local found = redis.call('HMGET', KEYS[1], 'day', 'usd')
  if not found[1] then
    if not spent_before then return {'unknown'} end
    redis.call('HSET', KEYS[1], 'day', day, 'usd', spent_before)
    redis.call('EXPIRE', KEYS[1], KEPT_S)
    found = {day, spent_before}
  end
  local spent = tonumber(found[1] or -1) == day and tonumber(found[2] or 0) or 0
  if spent + micros > most_micros then
    local wait = math.min((day + 1) * 86400000 - now, 60000)
    return {'hold', 'usd_per_day', wait, wait, 0, 0}
  end
  if tonumber(found[1] or -1) ~= day then redis.call('HSET', KEYS[1], 'day', day, 'usd', 0) end
end
if most_calls then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
  if redis.call('ZCARD', KEYS[2]) >= most_calls then
    redis.call('HSET', KEYS[1], 'crowded', 1)
    return {'hold', 'concurrency', 1000, short, 0, 1}
  end
  redis.call('ZADD', KEYS[2], now + lease, call)
  redis.call('EXPIRE', KEYS[2], KEPT_S)
end
if most_requests then redis.call('HINCRBY', KEYS[1], 'r' .. second, 1) end
if most_tokens then redis.call('HINCRBY', KEYS[1], 't' .. second, tokens) end
if most_micros then redis.call('HINCRBY', KEYS[1], 'usd', micros) end
if most_requests or most_tokens or most_micros then redis.call('EXPIRE', KEYS[1], KEPT_S) end
local probes = 0
for i, key in ipairs({KEYS[1], KEYS[3]}) do
  local kind, left = told[i][1], told[i][2]
  if left > 0 then
    redis.call('HSET', key, 'half', now + left)
    tell(key, kind, left, true)
    probes = probes + i
  end
end
return {'turn', second, probes}
"""
)
"""Look at everything first, and take only if all of it has room. Amounts of money are in millionths of a dollar.

ARGV[5] is the call; its tokens and money; four limits, empty where there is none; and the lease, the patience with a
probe after a pause, the time of a breaker's probe, and a short wait; what was spent today, for a server that does not
know: it answers `unknown` without. A hold's answer: its kind, for how long the model
is held, for how long this caller should wait (-1: until the hold ends), whether it is the agent's only, whether it
depends on a call under way.
"""

SETTLE = (
    PRELUDE
    + """
local call, began, kind, asked = ARGV[5], tonumber(ARGV[6]), ARGV[7], tonumber(ARGV[8])
local probes = asked % 2 == 1
local held_tokens, tokens = tonumber(ARGV[9]), tonumber(ARGV[10])
local held_micros, micros = tonumber(ARGV[11]), tonumber(ARGV[12])
local pause, at_once = tonumber(ARGV[13]), tonumber(ARGV[14])

redis.call('ZREM', KEYS[2], call)
local function change(name, by)
  if by ~= 0 and redis.call('HEXISTS', KEYS[1], name) == 1 then redis.call('HINCRBY', KEYS[1], name, by) end
end
if tokens then change('t' .. began, tokens - held_tokens) end
if kind == 'unmade' then change('r' .. began, -1) end
if micros and tonumber(redis.call('HGET', KEYS[1], 'day') or -1) == math.floor(began / 86400) then
  change('usd', micros - held_micros)
end
if redis.call('HDEL', KEYS[1], 'crowded') == 1 and redis.call('HEXISTS', KEYS[1], 'kind') == 0 then
  tell(KEYS[1], '', 0, false)
end
if asked > 1 and kind ~= 'ok' then redis.call('HDEL', KEYS[3], 'half') end

if pause then
  hold(KEYS[1], pause, kind)
elseif at_once then
  hold(KEYS[1], at_once, kind)
elseif kind == 'unmade' or kind == 'unknown' then
  if probes then redis.call('HDEL', KEYS[1], 'half') end
elseif ARGV[15] ~= '' then
  count(KEYS[1], false, kind, probes, 15)
elseif probes then
  free(KEYS[1])
elseif kind == 'ok' and redis.call('HEXISTS', KEYS[1], 'part') == 1 then
  tally(KEYS[1], true, tonumber(ARGV[20]))
end
return 1
"""
)
"""Give back what was not used and draw the conclusions.

ARGV[5] is the call, when it began, what came of it, and whether it probes (1 the model, 2 it for its agent, 3 both);
tokens that were reserved and used, and money; a pause and an opening in milliseconds, empty where there is none; five
figures of the breaker that counts this failure, empty where none does; and the length of a part of the usual breaker's
window. Successes are counted only while there are failures to weigh them against: a model that is well costs nothing.
"""

JUDGE = (
    PRELUDE
    + """
local good = ARGV[5] == '1'
local ends, kind, half = state(KEYS[3])
if good and kind == '' and redis.call('HEXISTS', KEYS[3], 'part') == 0 then return 0 end
count(KEYS[3], good, 'invalid', half > 0, 6)
return 1
"""
)
"""Count a verdict. One that comes while a probe is out is taken for the probe's."""

RESUME = (
    PRELUDE
    + """
local found = 0
for _, key in ipairs({KEYS[1], ARGV[4] ~= '' and KEYS[3] or nil}) do
  if redis.call('HEXISTS', key, 'kind') == 1 then found = found + 1 end
  free(key)
end
redis.call('HDEL', KEYS[1], 'crowded', 'tailr', 'tailt')
return found
"""
)

LOOK = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'until', 'kind', 'half', 'opens')
if not found[2] then return {} end
local ends, half = tonumber(found[1] or 0), tonumber(found[3] or 0)
local left = math.max(ends - now, 0)
if left == 0 then left = math.max(half - now, 0) end
return {found[2], left, ends <= now and half > now and 1 or 0, tonumber(found[4] or 0)}
"""
"""The hold of one hash: its kind, what is left of it or of its probe, whether that is a probe, openings."""

HELD = """
local agents = {}
for _, name in ipairs(redis.call('HKEYS', KEYS[1])) do
  local agent = string.match(name, '^for:(.*)$')
  if agent then agents[#agents + 1] = agent end
end
return agents
"""
"""For which agents a model may be on hold."""

RENEW = """
local t = redis.call('TIME')
redis.call('ZADD', KEYS[1], t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[2]), ARGV[1])
return redis.call('EXPIRE', KEYS[1], 172800)
"""
"""Keep a call's place. It is taken again if it was lost: the call is under way, whatever the server remembers."""
