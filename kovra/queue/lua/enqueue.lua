-- Append one message to a lane, or leave it where it is.
-- A: lane, priority, payload, order key, lock, message id, lock ttl ms, again (1 = the message's record still wants it:
--    a finished lock of its own does not stop it), delay ms ('' = none), uid,
--    consumer, ref and order key of the entry in flight that this one replaces ('' = none)
-- Answer: enqueued | same | taken | finished | dead | full
local function step(A)
  local lane, priority, payload, order, lock, message = A[1], A[2], A[3], A[4], A[5], A[6]
  local ttl, delay, uid, me, held = A[7], A[9], A[10], A[11], A[12]
  if held ~= '' then  -- a retry leaves the entry in flight and joins the queue again in one step
    redis.call('SREM', P..'own:'..me, held)
    if redis.call('EXISTS', P..'own:'..me) == 0 then redis.call('ZREM', P..'hb', me) end
    local there, old_lane = remove(held, A[13])
    settle(old_lane)
    if not there then return 'same' end
  end
  -- What a lock knows of is told apart below. A retry has just made room for itself; what is delayed is in no lane.
  if held == '' and delay == '' and redis.call('XLEN', stream(priority, lane)) >= LONGEST
    and (lock == '' or redis.call('EXISTS', lock_key(lock)) == 0) then return 'full' end
  local owner = 'q '..message..' '
  if lock ~= '' and not redis.call('SET', lock_key(lock), owner, 'NX', 'PX', ttl) then
    local word = verdict(lock, message, A[8] == '1')
    if word ~= '' then
      chime()
      return word
    end
  end
  local ref
  if delay ~= '' then
    redis.call('HSET', P..'delayed:d', uid, table.concat({priority, lane, order, lock, message, payload}, '|'))
    redis.call('ZADD', P..'delayed', string.format('%.0f', now + tonumber(delay)), uid)
    -- Sleepers must reckon with a new earliest time.
    if redis.call('ZRANGE', P..'delayed', 0, 0)[1] == uid then ring(0) end
    ref = 'd|'..uid
  else
    ref = push(priority, lane, payload, order, lock)
  end
  if lock ~= '' then redis.call('SET', lock_key(lock), owner..ref, 'PX', ttl) end
  chime()
  return 'enqueued'
end
