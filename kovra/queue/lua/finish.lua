-- End entries, or hand them back.
-- A: op, consumer, then
--   ack:     for each entry its ref, order key, lock and lock ttl ms
--   bury:    ref, order key, lock, lock ttl ms, cause, detail, deliveries, dead ttl ms, max bytes
--   requeue: refs that go back                    resync: the refs the consumer knows; all others go back
--   leave:   nothing; the consumer does not wait for a suspect any more
-- Answer: how many entries it changed, what is left (see chime)
local function step(A)
  local op, own, n = A[1], P..'own:'..A[2], 0
  if op == 'ack' then
    n = finish(own, A, 3, 'done')
  elseif op == 'bury' then
    local p, id, lane = parse(A[3])
    local e = redis.call('XRANGE', stream(p, lane), id, id)[1]
    if e then bury(A[3], read(e[2], tonumber(A[11])), A[7], A[8], A[9], A[10]) end
    n = finish(own, {A[3], A[4], A[5], A[6]}, 1, 'dead')
  elseif op == 'requeue' then
    for i = 3, #A do
      if redis.call('SREM', own, A[i]) == 1 then
        orphan(A[i], 'r')
        n = n + 1
      end
    end
  elseif op == 'leave' then
    if redis.call('GET', P..'solo') == A[2] then n = redis.call('DEL', P..'solo') end
  elseif op == 'resync' then  -- a fetch whose reply was lost left us holding what we never saw
    local known = {}
    for i = 3, #A do known[A[i]] = true end
    for _, ref in ipairs(redis.call('SMEMBERS', own)) do
      if not known[ref] then
        redis.call('SREM', own, ref)
        orphan(ref, 'r')
        n = n + 1
      end
    end
  end
  if redis.call('EXISTS', own) == 0 then redis.call('ZREM', P..'hb', A[2]) end
  return {n, chime()}
end
