-- Re-assert what must hold for a shard beyond its lanes.
-- A: dead ttl ms, how many dead letters to keep, then consumers that hold something
-- Answer: {entries taken from consumers that give no sign of life, delayed messages scheduled again, dead letters trimmed}
local function step(A)
  local adopted, scheduled = 0, 0
  for i = 3, #A do
    if not redis.call('ZSCORE', P..'hb', A[i]) then adopted = adopted + abandon(A[i], 'c') end
  end
  for _, uid in ipairs(redis.call('HKEYS', P..'delayed:d')) do
    if not redis.call('ZSCORE', P..'delayed', uid) then
      redis.call('ZADD', P..'delayed', now, uid)
      scheduled = scheduled + 1
    end
  end
  local cut = string.format('%.0f', math.max(0, (now - tonumber(A[1])) * 1000))
  -- Whoever floods a lane with garbage must not fill Redis with it for a month.
  local trimmed = redis.call('XTRIM', P..'dead', 'MINID', cut) + redis.call('XTRIM', P..'dead', 'MAXLEN', A[2])
  chime()
  return {adopted, scheduled, trimmed}
end
