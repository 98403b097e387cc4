-- A consumer that holds entries says that it lives.
-- ARGV: cap, kept, consumer, solo ttl ms
-- Reply: 1, or 0 when it had been given up and holds nothing any more
local me = ARGV[3]
if redis.call('GET', P..'solo') == me then redis.call('PEXPIRE', P..'solo', ARGV[4]) end
if not redis.call('ZSCORE', P..'hb', me) then return 0 end
redis.call('ZADD', P..'hb', now, me)
return 1
