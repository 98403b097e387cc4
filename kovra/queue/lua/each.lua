
-- The end of every script: do the step in each shard. One that fails stops nobody else's.
-- Reply, for each of KEYS: 1 and the step's answer, or 0 and the text of its error.
local replies, at = {}, 4
for i, prefix in ipairs(KEYS) do
  local A = {}
  for j = 1, tonumber(ARGV[at]) do A[j] = ARGV[at + j] end
  at = at + #A + 1
  enter(prefix)
  local done, answer = pcall(step, A)
  if not done and type(answer) == 'table' then answer = answer.err end
  replies[2 * i - 1], replies[2 * i] = done and 1 or 0, answer
end
return replies
