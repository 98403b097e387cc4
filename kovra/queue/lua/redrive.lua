-- Put a dead letter back at the end of its lane.
-- ARGV: cap, kept, id, message id, lock ttl ms
-- Reply: enqueued | same | taken | finished | gone
local e = redis.call('XRANGE', P..'dead', ARGV[3], ARGV[3])[1]
if not e then return 'gone' end
local f = {}
for i = 1, #e[2], 2 do f[e[2][i]] = e[2][i + 1] end
if f.k ~= '' then
  local word = verdict(f.k, ARGV[4], false)
  if word ~= '' and word ~= 'dead' then return word end
end
local ref = push(f.priority, f.lane, f.d, f.o, f.k)
if f.k ~= '' then redis.call('SET', lock_key(f.k), 'q '..ARGV[4]..' '..ref, 'PX', ARGV[5]) end
redis.call('XDEL', P..'dead', ARGV[3])
chime()
return 'enqueued'
