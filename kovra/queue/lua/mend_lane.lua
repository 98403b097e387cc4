-- Re-assert everything that must hold for one lane, whoever broke it.
-- A: lane, idle ms after which an entry that nobody answers for is delivered again,
--    idle ms after which a consumer with nothing pending is forgotten
-- Answer: {groups made, entries reclaimed, pending rows without entry dropped, parked entries found again,
--         order keys freed, ready sets joined, consumers forgotten}
local function step(A)
  local lane, limit = A[1], tonumber(A[2])
  local groups, reclaimed, dangling, found, freed, forgotten = 0, 0, 0, 0, 0, 0

  local function listed(p, id, ref)  -- is it already on its way to a consumer?
    return redis.call('LPOS', P..'orphans:'..p, 'c|'..ref) or redis.call('LPOS', P..'orphans:'..p, 'r|'..ref)
      or redis.call('LPOS', P..'suspects', ref)
  end

  local function mend_parked(p, id, ref, order)
    if redis.call('LPOS', next_key(p, lane), id..' '..order) or redis.call('LPOS', wait_key(lane, order), ref) then return end
    found = found + 1
    local owner = redis.call('HGET', P..'busy:'..lane, order)
    if order == '' or not owner or owner == ref then
      if order ~= '' then redis.call('HSET', P..'busy:'..lane, order, ref) end
      redis.call('RPUSH', next_key(p, lane), id..' '..order)
    else
      redis.call('RPUSH', wait_key(lane, order), ref)
    end
  end

  for p = 0, 1 do
    local key = stream(p, lane)
    if redis.call('EXISTS', key) == 1 then
      if redis.pcall('XPENDING', key, G).err then groups = groups + 1 end
      pending(key)
      for _, row in ipairs(redis.call('XPENDING', key, G, '-', '+', 1000)) do
        local id, consumer, idle = row[1], row[2], row[3]
        local ref = p..'|'..id..'|'..lane
        local e = redis.call('XRANGE', key, id, id)[1]
        local mine = redis.call('SISMEMBER', P..'own:'..consumer, ref) == 1
        if not e then
          redis.call('XACK', key, G, id)
          redis.call('SREM', P..'own:'..consumer, ref)
          dangling = dangling + 1
        elseif consumer == PARKED then
          mend_parked(p, id, ref, read(e[2], 32768)[2])
        elseif idle > limit and not (mine and redis.call('ZSCORE', P..'hb', consumer)) and not listed(p, id, ref) then
          redis.call('SREM', P..'own:'..consumer, ref)
          orphan(ref, 'c')
          reclaimed = reclaimed + 1
        end
      end
      for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', key, G)) do
        local f = {}
        for i = 1, #c, 2 do f[c[i]] = c[i + 1] end
        if f.name ~= PARKED and f.pending == 0 and f.idle > tonumber(A[3]) then
          redis.call('XGROUP', 'DELCONSUMER', key, G, f.name)
          forgotten = forgotten + 1
        end
      end
    end
  end
  local busy = redis.call('HGETALL', P..'busy:'..lane)
  for i = 1, #busy, 2 do
    local p, id = parse(busy[i + 1])
    if not p or not delivered(stream(p, lane), id) then
      release(lane, busy[i], busy[i + 1])
      freed = freed + 1
    end
  end
  local joined = settle(lane)
  chime()
  return {groups, reclaimed, dangling, found, freed, joined, forgotten}
end
