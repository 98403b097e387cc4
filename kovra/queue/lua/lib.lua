-- What every script begins with; `each.lua` is what it ends with. In between, a script defines step(A): one atomic step
-- in one shard, with the arguments A. KEYS are the tagged prefixes of one or several (shard, queue): the step is done
-- in each of them. Every other key is derived from the prefix and lies in the same slot. ARGV[1] is the number of
-- entries of a lane that may be in flight, ARGV[2] how many of these are kept for interactive work, ARGV[3] how many
-- entries of one priority a lane takes; then follow, for each prefix, the number of its arguments and these. A "ref" names an entry: <priority>|<entry id>|<lane>. Lanes are
-- text everywhere: a snowflake does not fit a Lua number.
local P, G, clock  -- the prefix, the shard's consumer group, its clock
local CAP, KEPT, LONGEST = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local PARKED = '-'  -- the consumer that holds entries waiting for their order key
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function enter(prefix)
  P, G, clock = prefix, string.match(prefix, '{(s%d+)}'), nil
end

-- A strictly increasing microsecond clock: it makes entry ids, unique over the shard for ever, and turns in a rotation.
-- chime() keeps it.
local function tick()
  if clock then clock = clock + 1
  else clock = math.max(t[1] * 1000000 + t[2], tonumber(redis.call('GET', P..'clock') or 0) + 1) end
  return string.format('%.0f', clock)
end

local function stream(priority, lane) return P..'q:'..lane..':'..priority end
local function next_key(priority, lane) return P..'next:'..lane..':'..priority end
local function wait_key(lane, order) return P..'wait:'..lane..':'..order end
local function parse(ref) return string.match(ref, '^(%d)|([^|]+)|(.*)$') end

local function ring(priority)
  local bell = P..'wake:'..priority
  if redis.call('EXISTS', bell) == 0 then redis.call('LPUSH', bell, '1') end
end

-- Every step that may leave work behind ends with this, so that work never lies without a token beside it.
-- Returns what is left: 1 for interactive, 2 for bulk work, 3 for both.
local function chime()
  if clock then redis.call('SET', P..'clock', string.format('%.0f', clock)) end
  local left = 0
  if redis.call('EXISTS', P..'ready:0', P..'orphans:0') > 0 then
    ring(0)
    left = 1
  end
  if redis.call('EXISTS', P..'ready:1', P..'orphans:1', P..'suspects') > 0 then
    if redis.call('EXISTS', P..'ready:1', P..'orphans:1') > 0 then
      ring(1)
      left = left + 2
    end
    if redis.call('EXISTS', P..'suspects') == 1 and redis.call('EXISTS', P..'solo') == 0 then ring(0) end
  end
  return left
end

-- Delivered entries of a stream, and how many of them are parked. Makes the group when an outsider made the stream.
local function pending(key)
  local r = redis.pcall('XPENDING', key, G)
  if r.err then
    if redis.call('EXISTS', key) == 1 then redis.call('XGROUP', 'CREATE', key, G, '0') end
    return 0, 0
  end
  local parked = 0
  for _, c in ipairs(r[4] or {}) do
    if c[1] == PARKED then parked = tonumber(c[2]) end
  end
  return r[1], parked
end

local function delivered(key, id)  -- the entry's row in the group's pending list, or nil
  local r = redis.pcall('XPENDING', key, G, id, id, 1)
  if r.err then return nil end
  return r[1] or nil
end

local function claim(key, consumer, id, deliveries)
  local r = redis.pcall('XCLAIM', key, G, consumer, 0, id, 'RETRYCOUNT', deliveries)
  if r.err then return nil end
  return r[1] or nil
end

-- Entries of a lane that run somewhere; and how many of one priority the group has been given at all.
local function flight(lane, priority)
  local sum, given = 0, 0
  for p = 0, 1 do
    local key = stream(p, lane)
    if p == priority or redis.call('EXISTS', key) == 1 then
      local total, parked = pending(key)
      sum = sum + total - parked
      if p == priority then given = total end
    end
  end
  return sum, given
end

local function join(p, lane) return redis.call('ZADD', P..'ready:'..p, tick(), lane) end

-- Re-assert a lane's invariant: in ready:<p> if it has an entry of that priority to hand out and room for it, and is
-- not paused.
-- XLEN and XPENDING are the truth; nothing is counted beside them. Returns how many ready sets it had to join.
local function settle(lane)
  local len, held, absent = {}, 0, false
  for p = 0, 1 do
    len[p] = redis.call('XLEN', stream(p, lane))
    held = held + len[p]
  end
  if held == 0 then
    redis.call('DEL', stream(0, lane), stream(1, lane))
    redis.call('ZREM', P..'parts', lane)
    return 0
  end
  redis.call('ZADD', P..'parts', held, lane)
  local ready = {}
  for p = 0, 1 do
    if len[p] == 0 then redis.call('DEL', stream(p, lane))
    else
      ready[p] = redis.call('ZSCORE', P..'ready:'..p, lane)
      absent = absent or not ready[p]
    end
  end
  if not absent or redis.call('SISMEMBER', P..'paused', lane) == 1 then return 0 end
  local running, work, joined = 0, {}, 0
  for p = 0, 1 do
    if len[p] > 0 then
      local key = stream(p, lane)
      local total, parked = pending(key)
      running = running + total - parked
      work[p] = total < len[p] or redis.call('EXISTS', next_key(p, lane)) == 1
      if not work[p] then  -- as many delivered as held, or more when somebody deleted some: then the last entry tells
        work[p] = not delivered(key, redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1][1])
      end
    end
  end
  for p = 0, 1 do
    if work[p] and not ready[p] and running < CAP - p * KEPT then joined = joined + join(p, lane) end
  end
  return joined
end

-- Append an entry and return its ref. '*' is the way out when somebody appended an id from the future.
local function push(priority, lane, payload, order, lock)
  local key = stream(priority, lane)
  if redis.call('EXISTS', key) == 0 then redis.call('XGROUP', 'CREATE', key, G, '0', 'MKSTREAM') end
  local id = redis.pcall('XADD', key, tick()..'-0', 'd', payload, 'o', order, 'k', lock)
  if type(id) == 'table' and id.err then id = redis.call('XADD', key, '*', 'd', payload, 'o', order, 'k', lock) end
  if redis.call('ZSCORE', P..'ready:'..priority, lane) then redis.call('ZINCRBY', P..'parts', 1, lane)
  else settle(lane) end
  return priority..'|'..id..'|'..lane
end

-- Give an order key back; the entry that waited longest for it gets it and may be handed out.
local function release(lane, order, ref)
  if order == '' or redis.call('HGET', P..'busy:'..lane, order) ~= ref then return end
  while true do
    local waiter = redis.call('LPOP', wait_key(lane, order))
    if not waiter then
      redis.call('HDEL', P..'busy:'..lane, order)
      return
    end
    local p, id = parse(waiter)
    if delivered(stream(p, lane), id) then
      redis.call('HSET', P..'busy:'..lane, order, waiter)
      redis.call('RPUSH', next_key(p, lane), id..' '..order)
      return
    end
  end
end

local function order_of(lane, ref)  -- for an entry that is gone and cannot say it itself
  local busy = redis.call('HGETALL', P..'busy:'..lane)
  for i = 1, #busy, 2 do
    if busy[i + 1] == ref then return busy[i] end
  end
  return ''
end

-- XACK and XDEL; false when the entry was not there any more. Whoever calls this settles the lane.
local function remove(ref, order)
  local p, id, lane = parse(ref)
  local key = stream(p, lane)
  local acked = redis.call('XACK', key, G, id) == 1
  if acked then redis.call('XDEL', key, id) end
  release(lane, order, ref)
  return acked, lane
end

-- The entry's fields as {payload, order key, lock, cause}; the cause is '' when they are as push made them.
local function read(fields, max_bytes)
  local shape = #fields == 6 and fields[1] == 'd' and fields[3] == 'o' and fields[5] == 'k'
  if not shape or #fields[4] > 200 or #fields[6] > 200 then
    local shown = {}
    for i = 1, math.min(#fields, 16) do shown[i] = string.sub(fields[i], 1, max_bytes) end
    return {string.sub(table.concat(shown, ' '), 1, max_bytes), '', '', 'fields'}
  end
  if #fields[2] > max_bytes then return {string.sub(fields[2], 1, max_bytes), '', fields[6], 'size'} end
  return {fields[2], fields[4], fields[6], ''}
end

-- Locks: "q <message id> <ref>" while it waits or runs, then "done <message id>" or "dead <message id>".
local function lock_key(name) return P..'lock:'..name end

local function settle_lock(name, ref, word, ttl)  -- only the entry that owns the lock may say how it ended
  if name == '' then return end
  local state, message, owner = string.match(redis.call('GET', lock_key(name)) or '', '^(%S+) (%S+) ?(.*)$')
  if state == 'q' and owner == ref then redis.call('SET', lock_key(name), word..' '..message, 'PX', ttl) end
end

-- Take entries off a consumer for good: at A[at], for each its ref, order key, lock and lock ttl ms. Settles their lanes.
local function finish(own, A, at, word)
  local n, lanes = 0, {}
  for i = at, #A, 4 do
    redis.call('SREM', own, A[i])
    local acked, lane = remove(A[i], A[i + 1])
    lanes[lane] = true
    if acked then
      settle_lock(A[i + 2], A[i], word, A[i + 3])
      n = n + 1
    end
  end
  for lane in pairs(lanes) do settle(lane) end
  return n
end

local function there(ref)  -- is the entry (or delayed message) of this ref still there?
  local uid = string.match(ref, '^d|(.*)$')
  if uid then return redis.call('HEXISTS', P..'delayed:d', uid) == 1 end
  local p, id, lane = parse(ref)
  return p and #redis.call('XRANGE', stream(p, lane), id, id) > 0
end

-- '' when the message may take the lock, else the word for whoever asked.
local function verdict(name, message, again)
  local state, owner, ref = string.match(redis.call('GET', lock_key(name)) or '', '^(%S+) (%S+) ?(.*)$')
  if not state then return '' end
  if state == 'q' then
    if owner ~= message then return 'taken' end
    return there(ref) and 'same' or ''
  end
  if again and owner == message then return '' end
  return state == 'done' and 'finished' or 'dead'
end

-- Let what a consumer holds be delivered again: kind c after a crash, r when it was handed back.
local function orphan(ref, kind) redis.call('RPUSH', P..'orphans:'..string.sub(ref, 1, 1), kind..'|'..ref) end

local function abandon(consumer, kind)
  local refs = redis.call('SMEMBERS', P..'own:'..consumer)
  for _, ref in ipairs(refs) do orphan(ref, kind) end
  redis.call('DEL', P..'own:'..consumer)
  redis.call('ZREM', P..'hb', consumer)
  if redis.call('GET', P..'solo') == consumer then redis.call('DEL', P..'solo') end
  return #refs
end

-- Move delayed messages whose time has come into their streams, at most 64 at once. Returns the ms until the next, or -1.
local function promote(lock_ttl)
  local due = redis.call('ZRANGE', P..'delayed', 0, 0, 'WITHSCORES')
  if not due[2] then return -1 end
  if tonumber(due[2]) > now then return tonumber(due[2]) - now end
  for _, uid in ipairs(redis.call('ZRANGEBYSCORE', P..'delayed', '-inf', now, 'LIMIT', 0, 64)) do
    local record = redis.call('HGET', P..'delayed:d', uid)
    redis.call('ZREM', P..'delayed', uid)
    redis.call('HDEL', P..'delayed:d', uid)
    if record then
      local p, lane, order, lock, message, payload =
        string.match(record, '^(%d)|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
      local ref = push(p, lane, payload, order, lock)
      if lock ~= '' then redis.call('SET', lock_key(lock), 'q '..message..' '..ref, 'PX', lock_ttl) end
    end
  end
  due = redis.call('ZRANGE', P..'delayed', 0, 0, 'WITHSCORES')
  return due[2] and math.max(0, tonumber(due[2]) - now) or -1
end

-- Keep a copy of an entry for people; trimmed here roughly and by the janitor exactly.
local function bury(ref, entry, cause, detail, deliveries, ttl)
  local p, _, lane = parse(ref)
  local cut = string.format('%.0f', math.max(0, (now - tonumber(ttl)) * 1000))
  redis.call('XADD', P..'dead', 'MINID', '~', cut, tick()..'-0', 'd', entry[1], 'o', entry[2], 'k', entry[3],
    'lane', lane, 'priority', p, 'cause', cause, 'detail', detail, 'deliveries', deliveries)
end
