-- Take the tokens of doorbells, in the order of KEYS. Stands alone: its keys lie in several shards.
-- ARGV: how many at most
-- Reply: which of KEYS rang, counted from 0
local rung = {}
if redis.call('EXISTS', unpack(KEYS)) == 0 then return rung end
for i, bell in ipairs(KEYS) do
  if #rung >= tonumber(ARGV[1]) then break end
  if redis.call('LPOP', bell) then rung[#rung + 1] = i - 1 end
end
return rung
