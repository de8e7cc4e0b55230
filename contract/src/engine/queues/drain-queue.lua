--[[
  Removes waiting jobs from a queue, in the order in which workers would take them. Active jobs are not affected.
  KEYS[1] wait   KEYS[2] prioritized   KEYS[3] delayed   KEYS[4] events
  ARGV[1] key prefix of the queue, "<prefix>:{<queue>}:"
  ARGV[2] maximum number of jobs
  ARGV[3] "1": include delayed jobs
  Returns the ids of the removed jobs.
]]
local call = redis.call

local base, limit = ARGV[1], tonumber(ARGV[2])
local ids = call("RPOP", KEYS[1], limit) or {}
local function popFrom(key)
  if #ids == limit then return end
  local popped = call("ZPOPMIN", key, limit - #ids)
  for index = 1, #popped, 2 do ids[#ids + 1] = popped[index] end
end
popFrom(KEYS[2])
if ARGV[3] == "1" then popFrom(KEYS[3]) end

for _, id in ipairs(ids) do
  call("DEL", base .. id, base .. id .. ":logs")
  call("XADD", KEYS[4], "*", "event", "removed", "jobId", id)
end
return ids
