-- End an entry, or hand it back.
-- ARGV: cap, kept, op, consumer, then
--   ack:     ref, order key, lock, lock ttl ms
--   bury:    ref, order key, lock, lock ttl ms, cause, detail, deliveries, dead ttl ms, max bytes
--   requeue: refs that go back                    resync: the refs the consumer knows; all others go back
--   leave:   nothing; the consumer does not wait for a suspect any more
-- Reply: how many entries it changed.
local op, own, n = ARGV[3], P..'own:'..ARGV[4], 0
if op == 'requeue' then
  for i = 5, #ARGV do
    if redis.call('SREM', own, ARGV[i]) == 1 then
      orphan(ARGV[i], 'r')
      n = n + 1
    end
  end
elseif op == 'leave' then
  if redis.call('GET', P..'solo') == ARGV[4] then n = redis.call('DEL', P..'solo') end
elseif op == 'resync' then  -- a fetch whose reply was lost left us holding what we never saw
  local known = {}
  for i = 5, #ARGV do known[ARGV[i]] = true end
  for _, ref in ipairs(redis.call('SMEMBERS', own)) do
    if not known[ref] then
      redis.call('SREM', own, ref)
      orphan(ref, 'r')
      n = n + 1
    end
  end
else
  local ref, order, lock, ttl = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
  redis.call('SREM', own, ref)
  if op == 'bury' then
    local p, id, lane = parse(ref)
    local e = redis.call('XRANGE', stream(p, lane), id, id)[1]
    if e then bury(ref, read(e[2], tonumber(ARGV[13])), ARGV[9], ARGV[10], ARGV[11], ARGV[12]) end
  end
  if remove(ref, order) then
    settle_lock(lock, ref, op == 'ack' and 'done' or 'dead', ttl)
    n = 1
  end
end
if redis.call('SCARD', own) == 0 then redis.call('ZREM', P..'hb', ARGV[4]) end
chime()
return n
