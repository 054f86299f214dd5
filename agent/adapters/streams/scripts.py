"""The few things that must happen together on the server. Sent whole: a server that forgot them needs no telling."""

from __future__ import annotations

ACK = """redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) return redis.call('XDEL', KEYS[1], ARGV[2])"""
"""Acknowledge and delete: an acknowledged entry that stays would hold its memory for ever."""

REGISTER = """redis.call('SADD', KEYS[1], ARGV[1]) return redis.call('EXPIRE', KEYS[1], ARGV[2])"""
"""Wait for a run, and be forgotten after a while."""

HOLD = """
local held = 0
for i = 3, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])
  if #pending == 1 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
    held = held + 1
  end
end
return held
"""
"""Renew the hold on pending entries, but only by their owner: a claim by anybody would be theft."""

RELEASE = """
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2]) == 1 then
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'IDLE', 86400000, 'JUSTID')
  return 1
end
return 0
"""
"""Let others claim an entry at once."""

LEAVE = """
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  if consumer[2] == ARGV[2] and consumer[4] == 0 then
    return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
  end
end
return 0
"""
"""Take a consumer's name out of the group, unless work is pending under it: that would be lost with the name."""

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
redis.call('HDEL', KEYS[1], 'regrouped')
return {epoch, mark, found[3] and 1 or 0}
"""
"""Write the ledger's epoch and mark where they follow from what stands here, and say what stood here.

In one step: a server that forgot everything between two would look as if it had not. One that comes late turns nothing
back."""
