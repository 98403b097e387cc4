-- Put a dead letter back at the end of its lane.
-- A: id, message id, lock ttl ms
-- Answer: enqueued | same | taken | finished | gone
local function step(A)
  local e = redis.call('XRANGE', P..'dead', A[1], A[1])[1]
  if not e then return 'gone' end
  local f = {}
  for i = 1, #e[2], 2 do f[e[2][i]] = e[2][i + 1] end
  if f.k ~= '' then
    local word = verdict(f.k, A[2], false)
    if word ~= '' and word ~= 'dead' then return word end
  end
  local ref = push(f.priority, f.lane, f.d, f.o, f.k)
  if f.k ~= '' then redis.call('SET', lock_key(f.k), 'q '..A[2]..' '..ref, 'PX', A[3]) end
  redis.call('XDEL', P..'dead', A[1])
  chime()
  return 'enqueued'
end
