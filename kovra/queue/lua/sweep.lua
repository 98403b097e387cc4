-- The slow look into one shard: what no token announces. Costs one EXISTS where there is nothing.
-- A: consumer, boot (1 = a process that was known by this name is gone), heartbeat timeout ms, lock ttl ms
-- Answer: ms until the next delayed message or -1
local function step(A)
  if redis.call('EXISTS', P..'hb', P..'delayed', P..'ready:0', P..'ready:1', P..'orphans:0', P..'orphans:1',
      P..'suspects', P..'own:'..A[1]) == 0 then return -1 end
  if A[2] == '1' then abandon(A[1], 'c') end
  for _, c in ipairs(redis.call('ZRANGEBYSCORE', P..'hb', '-inf', now - tonumber(A[3]), 'LIMIT', 0, 16)) do
    abandon(c, 'c')
  end
  local due = promote(A[4])
  chime()
  return due
end
