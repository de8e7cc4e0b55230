--[[
  Makes a queue obey what is set for it, as BullMQ's pause, resume, setGlobalConcurrency, setGlobalRateLimit and their
  opposites do. Nothing happens when it does already.

  KEYS[1] meta   KEYS[2] wait   KEYS[3] prioritized   KEYS[4] delayed   KEYS[5] marker   KEYS[6] events   KEYS[7] limiter

  ARGV[1] "1" when it is paused
  ARGV[2] concurrency   ARGV[3] max   ARGV[4] duration: "" for none

  Returns 1 when something changed, otherwise 0.
]]
local call = redis.call

local meta, marker = KEYS[1], KEYS[5]
local names = { "paused", "concurrency", "max", "duration" }
local values = { ARGV[1], ARGV[2], ARGV[3], ARGV[4] }
if values[1] ~= "1" then values[1] = "" end
local standing = call("HMGET", meta, unpack(names))

local changed = {}
local isChanged = false
for index, name in ipairs(names) do
  if (standing[index] or "") ~= values[index] then
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

-- What was counted in another period holds nobody up.
if changed.max or changed.duration then call("DEL", KEYS[7]) end
if changed.paused then
  call("XADD", KEYS[6], "*", "event", values[1] == "" and "resumed" or "paused")
end
if values[1] ~= "" then
  if changed.paused then call("DEL", marker) end
elseif call("LLEN", KEYS[2]) + call("ZCARD", KEYS[3]) > 0 then
  -- Wakes a worker, which finds out whether more may run now.
  call("ZADD", marker, 0, "0")
else
  local first = call("ZRANGE", KEYS[4], 0, 0, "WITHSCORES")[2]
  if first then call("ZADD", marker, first / 4096, "1") end
end
return 1
