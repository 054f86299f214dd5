"""The few things that must happen together on the server. Sent whole: a server that forgot them needs no telling.

A lease's value is the worker that holds it; an empty one says that it was let go of on purpose. `pcall` is for a
group that the server has lost: nobody has anything pending in it then.
"""

from __future__ import annotations

HOLDER = """
local function holder(entry)
  local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], entry, entry, 1)
  return #pending == 1 and pending[1][2] or false
end
"""
"""KEYS[1] is the stream and ARGV[1] its group: the worker that an entry is pending under."""

REGISTER = """redis.call('SADD', KEYS[1], ARGV[1]) return redis.call('EXPIRE', KEYS[1], ARGV[2])"""
"""Wait for a run, and be forgotten after a while."""

PUBLISH = """
local waiting, most = tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or '') or 0, tonumber(ARGV[3])
if waiting >= most then
  local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1])
  waiting = math.min(waiting, redis.call('XLEN', KEYS[1]) - (tonumber(pending[1]) or 0))
  redis.call('HSET', KEYS[2], ARGV[2], waiting)
  if waiting >= most then return '' end
end
redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 4))
"""
"""Add an entry of the project ARGV[2], unless ARGV[3] of its entries wait already. KEYS[2] counts them by project.

A count is only looked at more closely where it would hold something back: entries that left in other ways than by being
taken are in it still, but no more can wait than nobody has read.
"""

TAKE = (
    HOLDER
    + """
if ARGV[6] == '1' and redis.call('HINCRBY', KEYS[3], ARGV[5], -1) <= 0 then redis.call('HDEL', KEYS[3], ARGV[5]) end
local lease, mine = redis.call('GET', KEYS[2]), holder(ARGV[2]) == ARGV[3]
if lease and lease ~= '' and lease ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
if mine then redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[2], 'JUSTID') end
return 1
"""
)
"""Take a lease and renew the hold on the entry in the same moment, so that both end together.

An entry that is handed out for the first time (ARGV[6]) waits no longer among those of its project.
"""

ACK = (
    HOLDER
    + """
local worker = holder(ARGV[2])
if not worker or worker == ARGV[3] or ARGV[3] == '' then
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
end
if KEYS[2] and redis.call('GET', KEYS[2]) == ARGV[3] then
  redis.call('DEL', KEYS[2])
  if ARGV[4] then redis.call('SET', KEYS[2], '', 'PX', ARGV[4]) end
end
return 1
"""
)
"""Acknowledge and delete: an acknowledged entry that stays would hold its memory for ever.

An entry that is pending under another worker is that one's: XACK itself would not mind. With ARGV[4] the lease cannot
be made again for so many milliseconds by a heartbeat that is on its way.
"""

RENEW = (
    HOLDER
    + """
local kept = 0
for i = 2, #KEYS do
  local entry, sure = ARGV[2 * i], ARGV[2 * i + 1] == '1'
  local lease, mine = redis.call('GET', KEYS[i]), holder(entry) == ARGV[2]
  if lease == ARGV[2] or (not lease and (mine or sure)) then
    redis.call('SET', KEYS[i], ARGV[2], 'PX', ARGV[3])
    if mine then redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, entry, 'JUSTID') end
    kept = kept + 1
  end
end
return kept
"""
)
"""Renew leases and pending entries, but only by their owner: a claim by anybody else would be theft.

A lease that is missing is made again: the server may have lost it. One that is not `sure`, because its worker was
stopped for a while, needs the pending entry as its proof: others may have taken the work over, and finished it.
"""

LEAVE = """
for _, consumer in ipairs(redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if consumer[2] == ARGV[2] and consumer[4] == 0 then
    return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
  end
end
return 0
"""
"""Take a consumer's name out of the group, unless work is pending under it: that would be lost with the name."""

FORGET_NAMES = """
for _, consumer in ipairs(redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if consumer[4] == 0 and consumer[6] >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer[2])
  end
end
return 1
"""
"""Take out the names of consumers that asked for nothing for so many milliseconds and have nothing pending."""

MEET = """
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then redis.call('DEL', KEYS[1]) end
local found = redis.call('HMGET', KEYS[1], 'epoch', 'mark', 'regrouped')
local epoch, mark = found[1] or '', tonumber(found[2] or '') or -1
local known, new = ARGV[1], tonumber(ARGV[2])
local function count(name) return tonumber(string.match(name, '^%d+') or '') or 0 end
local follows = epoch == known and (mark == new or mark == new - 1)
local arrives = new == 0 and epoch ~= known and count(epoch) < count(known)
if known ~= '' and (follows or arrives) then
  redis.call('HSET', KEYS[1], 'epoch', known, 'mark', ARGV[2])
end
if known ~= '' then redis.call('HDEL', KEYS[1], 'regrouped') end
return {epoch, mark, found[3] and 1 or 0}
"""
"""Write the ledger's epoch and mark where they follow from what stands here, and say what stood here.

In one step: a server that forgot everything between two would look as if it had not. One that comes late turns nothing
back. Without an epoch it only looks."""
