-- Take what a consumer has done, and hand it what it may run next.
-- A: consumer, free slots, of these for bulk, alone (1 = the process holds nothing at all),
--    deliveries after which an entry is given up, pick counter, one pick in this many favours bulk, max bytes,
--    solo ttl ms, lock ttl ms, then what it has done: for each its ref, order key, lock and lock ttl ms
-- Answer: {refs the server says the consumer holds, was it known alive, ms until the next delayed message or -1,
--          hold (1 = a suspect waits for this consumer to be empty-handed), what is left (see chime),
--          {ref, payload, order, lock, cause, deliveries}...}
local function step(A)
  local me, free, bulk = A[1], tonumber(A[2]), tonumber(A[3])
  local most, pick, share, max_bytes = tonumber(A[5]), tonumber(A[6]), tonumber(A[7]), tonumber(A[8])
  local own, scans, hold, out = P..'own:'..me, 64, 0, {}
  local alive = redis.call('ZSCORE', P..'hb', me) and 1 or 0
  finish(own, A, 11, 'done')
  local due = promote(A[10])

  local function take(ref, fields, deliveries, cause)
    local entry = read(fields, max_bytes)
    redis.call('SADD', own, ref)
    free = free - 1
    if string.sub(ref, 1, 1) == '1' then bulk = bulk - 1 end
    out[#out + 1] = {ref, entry[1], entry[2], entry[3], cause or entry[4], deliveries}
  end

  local function lost(ref)  -- an entry that somebody deleted while it was out
    local p, id, lane = parse(ref)
    redis.call('XACK', stream(p, lane), G, id)
    release(lane, order_of(lane, ref), ref)
    settle(lane)
  end

  local function adopt(kind, ref)  -- an entry whose consumer is gone or gave it back
    local p, id, lane = parse(ref)
    local row = delivered(stream(p, lane), id)
    if not row then return end
    local n = row[4] + (kind == 'c' and 1 or 0)
    local e = claim(stream(p, lane), me, id, n)
    if not e then lost(ref)
    elseif n > most then take(ref, e[2], n, 'poison')  -- it has killed its worker too often
    elseif n > 2 then redis.call('RPUSH', P..'suspects', ref)  -- was there at two crashes: runs alone, spares bystanders
    else take(ref, e[2], n) end
  end

  local function orphans(p)
    while free > 0 and (p == 0 or bulk > 0) do
      local o = redis.call('LPOP', P..'orphans:'..p)
      if not o then return end
      adopt(string.sub(o, 1, 1), string.sub(o, 3))
    end
  end

  local function suspects()
    if redis.call('EXISTS', P..'suspects') == 0 then
      if redis.call('GET', P..'solo') == me then redis.call('DEL', P..'solo') end
      return
    end
    if not redis.call('SET', P..'solo', me, 'NX', 'PX', A[9]) and redis.call('GET', P..'solo') ~= me then return end
    hold = 1
    while A[4] == '1' and free > 0 and #out == 0 do
      local ref = redis.call('LPOP', P..'suspects')
      if not ref then
        hold = 0
        redis.call('DEL', P..'solo')
        break
      end
      local p, id, lane = parse(ref)
      local row = delivered(stream(p, lane), id)
      local e = row and claim(stream(p, lane), me, id, row[4])
      if e then take(ref, e[2], row[4]) elseif row then lost(ref) end
    end
    if hold == 1 then free = 0 end  -- nothing beside it; until then let run out what the process holds
  end

  if redis.call('EXISTS', P..'orphans:0', P..'orphans:1', P..'suspects', P..'solo') > 0 then
    orphans(0)
    orphans(1)
    suspects()
  end

  -- The lane's next entry whose order key is free: ref, fields, and whether it was next in the stream; or nil.
  local function choose(p, lane)
    local key = stream(p, lane)
    while true do
      local chosen = redis.call('LPOP', next_key(p, lane))
      if not chosen then break end
      local id, order = string.match(chosen, '^(%S+) (.*)$')
      local ref = p..'|'..id..'|'..lane
      local e = claim(key, me, id, 1)
      if e then return ref, e[2] end
      redis.call('XACK', key, G, id)
      release(lane, order, ref)
    end
    while scans > 0 do
      local r = redis.pcall('XREADGROUP', 'GROUP', G, me, 'COUNT', 1, 'STREAMS', key, '>')
      if r and r.err then return nil end  -- there is no stream any more
      if not r or #r == 0 then
        -- Entries without an owner behind the group's back: someone acknowledged them from outside. Deliver them again.
        if pending(key) > 0 or redis.call('XLEN', key) == 0 then return nil end
        redis.call('XGROUP', 'SETID', key, G, '0')
        scans = scans - 1
      else
        local e = (type(r[1]) == 'table' and r[1][2] or r[2])[1]  -- fakeredis answers flat
        local ref, order = p..'|'..e[1]..'|'..lane, read(e[2], max_bytes)[2]
        if order == '' then return ref, e[2], true end
        -- Its own already: it was out when somebody destroyed the group, and would wait for itself.
        local owner = redis.call('HGET', P..'busy:'..lane, order)
        if not owner or owner == ref then
          redis.call('HSET', P..'busy:'..lane, order, ref)
          return ref, e[2], true
        end
        redis.call('XCLAIM', key, G, PARKED, 0, e[1], 'RETRYCOUNT', 1, 'JUSTID')
        redis.call('RPUSH', wait_key(lane, order), ref)
        scans = scans - 1
      end
    end
  end

  local function serve(p)  -- one entry of the lane whose turn it is
    if p == 1 and bulk <= 0 then return false end
    while scans > 0 do
      local lane = redis.call('ZPOPMIN', P..'ready:'..p)[1]
      if not lane then return false end
      local room = CAP - p * KEPT
      local running, given = flight(lane, p)
      if running < room then
        local before = scans
        local ref, fields, plain = choose(p, lane)
        if ref then take(ref, fields, 1) end
        -- It goes to the back of the rotation when it has more and room for it, and stays out when this was its last.
        -- Where something unusual happened, look.
        local more = plain and scans == before and redis.call('XLEN', stream(p, lane)) - given - 1
        if not more or more < 0 then settle(lane)
        elseif more > 0 and running + 1 < room then join(p, lane) end
        if ref then return true end
      end
    end
    return false
  end

  while free > 0 do  -- lanes in turn
    local first = (pick + #out) % share == share - 1 and 1 or 0
    if not serve(first) and not serve(1 - first) then break end
  end
  local held = redis.call('SCARD', own)
  if held > 0 then redis.call('ZADD', P..'hb', now, me) else redis.call('ZREM', P..'hb', me) end
  return {held, alive, due, hold, chime(), unpack(out)}
end
