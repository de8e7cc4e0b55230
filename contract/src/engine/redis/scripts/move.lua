--[[
  Changes the due time or priority of jobs that are not active.
  KEYS[1] wait   KEYS[2] active   KEYS[3] delayed   KEYS[4] prioritized   KEYS[5] marker
  KEYS[6] meta   KEYS[7] pc       KEYS[8] events
  ARGV[1] key prefix of the queue, "<prefix>:{<queue>}:"
  ARGV[2] current time, ms since 1970
  ARGV[3] maximum number of list entries scanned in this call
  then per job:
    id
    due time, ms since 1970; "0": now; "": unchanged
    priority; "0": none; "": unchanged
  Returns one word per job:
    "missing"   no hash and no lock exist
    "active"    a worker has the job, or the job has ended: unchanged
    "waiting"   already due, and no other change was requested
    "not-found"   not found in any list short enough to scan: unchanged
    "moved"
  Writes the same state as promote-9, changeDelay-4 and changePriority-7 of BullMQ 6.7.0.
]]
local call = redis.call
local waitKey, activeKey, delayedKey, prioritizedKey, markerKey, metaKey, pcKey, eventsKey = unpack(KEYS)

local base = ARGV[1]
local now = tonumber(ARGV[2])
local entriesLeft = tonumber(ARGV[3])

local function isBlocked()
  local settings = call("HMGET", metaKey, "paused", "concurrency")
  -- A malformed concurrency counts as none until the settings are restored.
  local concurrency = tonumber(settings[2] or "")
  return settings[1] or (concurrency and call("LLEN", activeKey) >= concurrency)
end

local function putDelayed(id, due)
  local first, last = due * 4096, due * 4096 + 4095
  local highest = call("ZREVRANGEBYSCORE", delayedKey, last, first, "WITHSCORES", "LIMIT", 0, 1)[2]
  call("ZADD", delayedKey, highest and math.min(tonumber(highest) + 1, last) or first, id)
  call("ZADD", markerKey, call("ZRANGE", delayedKey, 0, 0, "WITHSCORES")[2] / 4096, "1")
  call("XADD", eventsKey, "*", "event", "delayed", "jobId", id, "delay", string.format("%d", due))
end

local function putWaiting(id, priority, isLifo, previous)
  if priority > 0 then
    call("ZADD", prioritizedKey, priority * 4294967296 + call("INCR", pcKey) % 4294967296, id)
  else
    call(isLifo and "RPUSH" or "LPUSH", waitKey, id)
  end
  if not isBlocked() then call("ZADD", markerKey, 0, "0") end
  call("XADD", eventsKey, "*", "event", "waiting", "jobId", id, "prev", previous)
end

local function takeFromList(id)
  local length = call("LLEN", waitKey)
  if length > entriesLeft then return false end
  entriesLeft = entriesLeft - length
  return call("LREM", waitKey, 1, id) == 1
end

local function move(id, dueText, priorityText)
  local key = base .. id
  if call("EXISTS", key .. ":lock") == 1 then return "active" end
  local fields = call("HMGET", key, "timestamp", "finishedOn", "priority", "opts")
  if not fields[1] then return "missing" end
  if fields[2] then return "active" end
  local isDelayed = call("ZSCORE", delayedKey, id)
  local due = tonumber(dueText)
  if not isDelayed and priorityText == "" and (not due or due <= now) then return "waiting" end

  local previous = "delayed"
  local staysDelayed = isDelayed and not due
  if isDelayed and due then
    call("ZREM", delayedKey, id)
  elseif not isDelayed then
    previous = "waiting"
    if call("ZREM", prioritizedKey, id) == 0 and not takeFromList(id) then return "not-found" end
  end
  local priority = tonumber(priorityText) or tonumber(fields[3]) or 0
  if priorityText ~= "" then call("HSET", key, "priority", priorityText) end
  if staysDelayed then return "moved" end
  local isLater = due and due > now
  call("HSET", key, "delay", isLater and string.format("%d", due - now) or "0")
  if isLater then
    putDelayed(id, due)
  else
    local isLifo = previous == "waiting" and cjson.decode(fields[4]).lifo == true
    putWaiting(id, priority, isLifo, previous)
  end
  return "moved"
end

local states = {}
for index = 4, #ARGV, 3 do
  states[#states + 1] = move(ARGV[index], ARGV[index + 1], ARGV[index + 2])
end
return states
