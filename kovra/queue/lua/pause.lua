-- Close a lane or open it again. What is in flight goes on.
-- ARGV: cap, kept, lane, 1 to close it
-- Reply: 1 when that changed something
local changed = redis.call(ARGV[4] == '1' and 'SADD' or 'SREM', P..'paused', ARGV[3])
if ARGV[4] == '1' then
  for p = 0, 1 do redis.call('ZREM', P..'ready:'..p, ARGV[3]) end
end
settle(ARGV[3])
chime()
return changed
