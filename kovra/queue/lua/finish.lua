-- End entries, or hand them back.
-- A: op, consumer, then
--   ack:     for each entry its ref, order key, lock and lock ttl ms
--   bury:    ref, order key, lock, lock ttl ms, cause, detail, deliveries, dead ttl ms, max bytes
--   requeue: refs that go back                    resync: the refs the consumer knows; all others go back
--   leave:   nothing; the consumer does not wait for a suspect any more
-- Answer: how many entries it changed, what is left (see chime)
local function step(A)
  local op, own, n, lanes = A[1], P..'own:'..A[2], 0, {}
  local function finish(at, word)
    local ref = A[at]
    redis.call('SREM', own, ref)
    local there, lane = remove(ref, A[at + 1])
    lanes[lane] = true
    if there then
      settle_lock(A[at + 2], ref, word, A[at + 3])
      n = n + 1
    end
  end
  if op == 'ack' then
    for at = 3, #A, 4 do finish(at, 'done') end
  elseif op == 'bury' then
    local p, id, lane = parse(A[3])
    local e = redis.call('XRANGE', stream(p, lane), id, id)[1]
    if e then bury(A[3], read(e[2], tonumber(A[11])), A[7], A[8], A[9], A[10]) end
    finish(3, 'dead')
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
  for lane in pairs(lanes) do settle(lane) end
  if redis.call('EXISTS', own) == 0 then redis.call('ZREM', P..'hb', A[2]) end
  return {n, chime()}
end
