-- Count a shard, for those who watch it. Changes nothing.
-- A: how many of its fullest lanes to name
-- Answer: {lanes that hold something, entries held, of these in flight, age of the oldest in ms, delayed, lanes paused,
--          dead letters, lane and entries held of the fullest...}
local function step(A)
  local lanes, held, oldest = redis.call('ZRANGE', P..'parts', 0, -1, 'WITHSCORES'), 0, now
  for i = 1, #lanes, 2 do
    held = held + tonumber(lanes[i + 1])
    for p = 0, 1 do
      -- Ids are the moment in microseconds. What somebody made something else of has none.
      local first = redis.pcall('XRANGE', stream(p, lanes[i]), '-', '+', 'COUNT', 1)[1]
      if first then oldest = math.min(oldest, math.floor(tonumber(string.match(first[1], '^%d+')) / 1000)) end
    end
  end
  local flight = 0
  for _, consumer in ipairs(redis.call('ZRANGE', P..'hb', 0, -1)) do
    flight = flight + redis.call('SCARD', P..'own:'..consumer)
  end
  local fullest = tonumber(A[1]) > 0 and redis.call('ZREVRANGE', P..'parts', 0, A[1] - 1, 'WITHSCORES') or {}
  return {#lanes / 2, held, flight, now - oldest, redis.call('ZCARD', P..'delayed'), redis.call('SCARD', P..'paused'),
    redis.call('XLEN', P..'dead'), unpack(fullest)}
end
