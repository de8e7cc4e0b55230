--[[
  Applies queue settings to Redis, like BullMQ's pause, resume, setGlobalConcurrency, setGlobalRateLimit and their
  inverses. Idempotent. Replaces malformed settings in meta, which would stop every worker.
  KEYS[1] meta   KEYS[2] wait   KEYS[3] prioritized   KEYS[4] delayed   KEYS[5] marker   KEYS[6] events   KEYS[7]
  limiter
  ARGV[1] "1" if the queue is paused
  ARGV[2] concurrency   ARGV[3] max   ARGV[4] duration: "" for none
  ARGV[5] "all", "malformed" to replace only malformed settings, or "check" to change nothing
  Returns 1 if something changed, for "check" if something is malformed; otherwise 0.
]]
local call = redis.call

local meta, marker = KEYS[1], KEYS[5]
local names = { "paused", "concurrency", "max", "duration" }
local values = { ARGV[1], ARGV[2], ARGV[3], ARGV[4] }
if values[1] ~= "1" then values[1] = "" end
local mode = ARGV[5]

local kind = call("TYPE", meta).ok
local isWrongType = kind ~= "hash" and kind ~= "none"
if isWrongType then
  if mode == "check" then return 1 end
  call("DEL", meta)
end
local maxEvents = call("HGET", meta, "opts.maxLenEvents")
local hasValidMaxEvents = not maxEvents or string.find(maxEvents, "^%d+$")
local current = call("HMGET", meta, unpack(names))

local function isMalformed(index)
  local value = current[index]
  if not value then return isWrongType end
  if names[index] == "paused" then return value ~= "1" end
  return not string.find(value, "^[1-9]%d*$")
end

if mode == "check" then
  for index in ipairs(names) do
    if isMalformed(index) then return 1 end
  end
  return hasValidMaxEvents and 0 or 1
end
-- BullMQ and dispatch.lua set it again.
if not hasValidMaxEvents then call("HDEL", meta, "opts.maxLenEvents") end

local changed = {}
local isChanged = false
for index, name in ipairs(names) do
  local isToBeSet = mode == "all" or isMalformed(index)
  if isToBeSet and (current[index] or "") ~= values[index] then
    isChanged = true
    changed[name] = true
    if values[index] == "" then
      call("HDEL", meta, name)
    else
      call("HSET", meta, name, values[index])
    end
  end
end
if not isChanged then return 0 end

-- The counter of the previous rate limit must not delay jobs.
if changed.max or changed.duration then call("DEL", KEYS[7]) end
if changed.paused then
  call("XADD", KEYS[6], "*", "event", values[1] == "" and "resumed" or "paused")
end
if values[1] ~= "" then
  if changed.paused then call("DEL", marker) end
elseif call("LLEN", KEYS[2]) + call("ZCARD", KEYS[3]) > 0 then
  -- Wakes a worker, which checks whether it may take more jobs.
  call("ZADD", marker, 0, "0")
else
  local first = call("ZRANGE", KEYS[4], 0, 0, "WITHSCORES")[2]
  if first then call("ZADD", marker, first / 4096, "1") end
end
return 1
