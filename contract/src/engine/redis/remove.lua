--[[
  Takes jobs of one queue out of Redis, as far as no worker has them.

  KEYS[1] wait   KEYS[2] delayed   KEYS[3] prioritized   KEYS[4] events   KEYS[5] failed   KEYS[6] completed

  ARGV[1] what every key of the queue begins with, "<prefix>:{<queue>}:"
  ARGV[2] "any"; "ended": what is not there is told of in the events, too, because it has ended all the same;
          "unstarted": so is this, and what a worker has ever started is left alone;
          "settled": nothing is told, because the events have the end of those already
  ARGV[3] how many list entries may be passed in this call
  ARGV[4...] ids

  Returns a word per id:
    "missing"   it has no hash and no lock
    "active"    a worker has it: left alone
    "started"   a worker had it: left alone
    "removed"   its keys are gone. In a list too long to be searched its id stays: the worker that comes across it asks
                the ledger.
]]
local call = redis.call

local base = ARGV[1]
local isUnstartedOnly = ARGV[2] == "unstarted"
local isTold = ARGV[2] ~= "settled"
local isMissingTold = isTold and ARGV[2] ~= "any"
local entriesLeft = tonumber(ARGV[3])

local function tell(id)
  call("XADD", KEYS[4], "*", "event", "removed", "jobId", id)
end

local function remove(id)
  local key = base .. id
  if call("EXISTS", key .. ":lock") == 1 then return "active" end
  if call("EXISTS", key) == 0 then
    if isMissingTold then tell(id) end
    return "missing"
  end
  if isUnstartedOnly and tonumber(call("HGET", key, "ats") or 0) > 0 then return "started" end
  if call("ZREM", KEYS[2], id) == 0 and call("ZREM", KEYS[3], id) == 0 and call("ZREM", KEYS[5], id) == 0
    and call("ZREM", KEYS[6], id) == 0 then
    local length = call("LLEN", KEYS[1])
    if length <= entriesLeft then
      entriesLeft = entriesLeft - length
      call("LREM", KEYS[1], 1, id)
    end
  end
  call("DEL", key, key .. ":logs")
  if isTold then tell(id) end
  return "removed"
end

local states = {}
for index = 4, #ARGV do
  states[index - 3] = remove(ARGV[index])
end
return states
