-- A consumer that holds entries says that it lives.
-- A: consumer, solo ttl ms
-- Answer: 1, or 0 when it had been given up and holds nothing any more
local function step(A)
  local me = A[1]
  if redis.call('GET', P..'solo') == me then redis.call('PEXPIRE', P..'solo', A[2]) end
  if not redis.call('ZSCORE', P..'hb', me) then return 0 end
  redis.call('ZADD', P..'hb', now, me)
  return 1
end
