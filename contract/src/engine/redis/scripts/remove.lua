--[[
  Removes jobs of one queue from Redis, unless a worker has them.
  KEYS[1] wait   KEYS[2] delayed   KEYS[3] prioritized   KEYS[4] events   KEYS[5] failed   KEYS[6] completed
  ARGV[1] key prefix of the queue, "<prefix>:{<queue>}:"
  ARGV[2] mode:
    "any"         adds an event "removed" for removed jobs
    "ended"       also for missing jobs, because the ledger has ended them
    "unstarted"   like "ended", but keeps jobs that a worker has ever started
    "settled"     adds no events, because the stream already has the end of these jobs
  ARGV[3] maximum number of list entries scanned in this call
  ARGV[4...] ids
  Returns one word per id:
    "missing"   no hash and no lock exist
    "active"    a worker has the job: unchanged
    "started"   a worker had the job: unchanged
    "removed"   its keys are deleted; a list too long to scan keeps the id, and a worker that takes the id checks the
    ledger
]]
local call = redis.call

local base = ARGV[1]
local isUnstartedOnly = ARGV[2] == "unstarted"
local sendsEvents = ARGV[2] ~= "settled"
local sendsEventsOfMissing = sendsEvents and ARGV[2] ~= "any"
local entriesLeft = tonumber(ARGV[3])

local function sendRemoved(id)
  call("XADD", KEYS[4], "*", "event", "removed", "jobId", id)
end

local function remove(id)
  local key = base .. id
  if call("EXISTS", key .. ":lock") == 1 then return "active" end
  if call("EXISTS", key) == 0 then
    if sendsEventsOfMissing then sendRemoved(id) end
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
  if sendsEvents then sendRemoved(id) end
  return "removed"
end

local states = {}
for index = 4, #ARGV do
  states[index - 3] = remove(ARGV[index])
end
return states
