-- The slow look into one shard: what no token announces. Costs one EXISTS where there is nothing.
-- ARGV: cap, kept, consumer, boot (1 = a process that was known by this name is gone), heartbeat timeout ms, lock ttl ms
-- Reply: ms until the next delayed message or -1
if redis.call('EXISTS', P..'hb', P..'delayed', P..'ready:0', P..'ready:1', P..'orphans:0', P..'orphans:1',
    P..'suspects', P..'own:'..ARGV[3]) == 0 then return -1 end
if ARGV[4] == '1' then abandon(ARGV[3], 'c') end
for _, c in ipairs(redis.call('ZRANGEBYSCORE', P..'hb', '-inf', now - tonumber(ARGV[5]), 'LIMIT', 0, 16)) do
  abandon(c, 'c')
end
local due = promote(ARGV[6])
chime()
return due
