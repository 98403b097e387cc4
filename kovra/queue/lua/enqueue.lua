-- Append one message to a lane, or leave it where it is.
-- ARGV: cap, kept, lane, priority, payload, order key, lock, message id, lock ttl ms, again (1 = the message's record
--       still wants it: a finished lock of its own does not stop it), delay ms ('' = none), uid,
--       consumer, ref and order key of the entry in flight that this one replaces ('' = none)
-- Reply: enqueued | same | taken | finished | dead
local lane, priority, payload, order, lock, message = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local ttl, delay, uid, me, held = ARGV[9], ARGV[11], ARGV[12], ARGV[13], ARGV[14]
if held ~= '' then  -- a retry leaves the entry in flight and joins the queue again in one step
  redis.call('SREM', P..'own:'..me, held)
  if redis.call('SCARD', P..'own:'..me) == 0 then redis.call('ZREM', P..'hb', me) end
  if not remove(held, ARGV[15]) then return 'same' end
end
local owner = 'q '..message..' '
if lock ~= '' and not redis.call('SET', lock_key(lock), owner, 'NX', 'PX', ttl) then
  local word = verdict(lock, message, ARGV[10] == '1')
  if word ~= '' then
    chime()
    return word
  end
end
local ref
if delay ~= '' then
  redis.call('HSET', P..'delayed:d', uid, table.concat({priority, lane, order, lock, message, payload}, '|'))
  redis.call('ZADD', P..'delayed', string.format('%.0f', now + tonumber(delay)), uid)
  if redis.call('ZRANGE', P..'delayed', 0, 0)[1] == uid then ring(0) end  -- sleepers must reckon with a new earliest time
  ref = 'd|'..uid
else
  ref = push(priority, lane, payload, order, lock)
end
if lock ~= '' then redis.call('SET', lock_key(lock), owner..ref, 'PX', ttl) end
chime()
return 'enqueued'
