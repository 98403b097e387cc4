-- Re-assert what must hold for a shard beyond its lanes.
-- A: dead ttl ms, then consumers that hold something
-- Answer: {entries taken from consumers that give no sign of life, delayed messages scheduled again, dead letters trimmed}
local function step(A)
  local adopted, scheduled = 0, 0
  for i = 2, #A do
    if not redis.call('ZSCORE', P..'hb', A[i]) then adopted = adopted + abandon(A[i], 'c') end
  end
  for _, uid in ipairs(redis.call('HKEYS', P..'delayed:d')) do
    if not redis.call('ZSCORE', P..'delayed', uid) then
      redis.call('ZADD', P..'delayed', now, uid)
      scheduled = scheduled + 1
    end
  end
  local cut = string.format('%.0f', math.max(0, (now - tonumber(A[1])) * 1000))
  local trimmed = redis.call('XTRIM', P..'dead', 'MINID', cut)
  chime()
  return {adopted, scheduled, trimmed}
end
