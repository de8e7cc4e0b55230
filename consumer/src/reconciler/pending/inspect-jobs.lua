--[[
  Finds the state of jobs of one queue; optionally deletes orphaned jobs.

  KEYS[1] wait       KEYS[2] active        KEYS[3] paused             lists
  KEYS[4] delayed    KEYS[5] prioritized   KEYS[6] waiting-children   sorted sets
  KEYS[7] completed  KEYS[8] failed                                   sorted sets

  ARGV[1] key prefix of the queue, "<prefix>:{<queue>}:"
  ARGV[2] "remove" deletes the keys of "orphaned" jobs atomically; "keep" deletes nothing
  ARGV[3] number of ids, from the first, to inspect closely: lock, sorted sets and lists
  ARGV[4] maximum number of list entries to scan in this call; the first search runs even beyond this limit
  ARGV[5...] job ids, oldest first

  Returns one state per id:
    "missing"              no hash and no lock
    "completed", "failed"  finished, according to the hash
    "held"                 locked, or in a sorted set
    "listed"               in a list
    "orphaned"             has a hash, but no lock and no place in any list or set: no worker will ever find the job
    "present"              has a hash; not inspected closely, or the lists were too long
]]
local call = redis.call

local base = ARGV[1]
local isToRemove = ARGV[2] == "remove"
local closeCount = tonumber(ARGV[3])
local entriesLeft = tonumber(ARGV[4])

local lists = { KEYS[1], KEYS[2], KEYS[3] }
local heldSets = { KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8] }

local listLength = 0
for _, list in ipairs(lists) do
  listLength = listLength + call("LLEN", list)
end

local hasLookedFor = false

local function isHeld(key, id)
  if call("EXISTS", key .. ":lock") == 1 then return true end
  for _, set in ipairs(heldSets) do
    if call("ZSCORE", set, id) then return true end
  end
  return false
end

-- From the tail, where workers take jobs: the oldest jobs are usually there.
local function isListed(id)
  for _, list in ipairs(lists) do
    if call("LPOS", list, id, "RANK", -1) then return true end
  end
  return false
end

local function lookClosely(key, id)
  if isHeld(key, id) then return "held" end
  if hasLookedFor and listLength > entriesLeft then return "present" end
  hasLookedFor = true
  entriesLeft = entriesLeft - listLength
  if isListed(id) then return "listed" end
  if isToRemove then
    call("DEL", key, key .. ":logs", key .. ":dependencies", key .. ":processed", key .. ":failed", key .. ":unsuccessful")
  end
  return "orphaned"
end

local function look(id, isClose)
  local key = base .. id
  if call("EXISTS", key) == 0 then
    return call("EXISTS", key .. ":lock") == 1 and "held" or "missing"
  end
  if call("HEXISTS", key, "finishedOn") == 1 then
    -- A job that failed before it completed keeps its reason; only completion sets a return value.
    return call("HEXISTS", key, "returnvalue") == 1 and "completed" or "failed"
  end
  return isClose and lookClosely(key, id) or "present"
end

local states = {}
for index = 5, #ARGV do
  local position = index - 4
  states[position] = look(ARGV[index], position <= closeCount)
end
return states
