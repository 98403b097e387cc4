-- Close a lane or open it again. What is in flight goes on.
-- A: lane, 1 to close it
-- Answer: 1 when that changed something
local function step(A)
  local changed = redis.call(A[2] == '1' and 'SADD' or 'SREM', P..'paused', A[1])
  if A[2] == '1' then
    for p = 0, 1 do redis.call('ZREM', P..'ready:'..p, A[1]) end
  end
  settle(A[1])
  chime()
  return changed
end
