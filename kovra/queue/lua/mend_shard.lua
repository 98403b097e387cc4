-- Re-assert what must hold for a shard beyond its lanes.
-- ARGV: cap, kept, dead ttl ms, then consumers that hold something
-- Reply: {entries taken from consumers that give no sign of life, delayed messages scheduled again, dead letters trimmed}
local adopted, scheduled = 0, 0
for i = 4, #ARGV do
  if not redis.call('ZSCORE', P..'hb', ARGV[i]) then adopted = adopted + abandon(ARGV[i], 'c') end
end
for _, uid in ipairs(redis.call('HKEYS', P..'delayed:d')) do
  if not redis.call('ZSCORE', P..'delayed', uid) then
    redis.call('ZADD', P..'delayed', now, uid)
    scheduled = scheduled + 1
  end
end
local cut = string.format('%.0f', math.max(0, (now - tonumber(ARGV[3])) * 1000))
local trimmed = redis.call('XTRIM', P..'dead', 'MINID', cut)
chime()
return {adopted, scheduled, trimmed}
