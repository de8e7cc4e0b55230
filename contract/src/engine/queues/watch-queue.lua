--[[
  Samples the arrivals and the backlog of a queue, at most once per 5 seconds across all callers, and returns what is
  needed for rates, settings and workers. A ring buffer shared by all callers keeps the samples of one minute. O(1).
  KEYS[1] samples   KEYS[2] id   KEYS[3] wait   KEYS[4] active   KEYS[5] delayed   KEYS[6] prioritized
  KEYS[7] meta      KEYS[8] workers
  Returns { now, { added, backlog }, { at, added, backlog } of the oldest sample or false,
            { paused, concurrency, max, duration } of meta, HGETALL of the workers }; times in ms since 1970
]]
local call = redis.call

local periodMs, ringSize = 5000, 13

local time = call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local added = tonumber(call("GET", KEYS[2]) or 0)
local backlog = call("LLEN", KEYS[3]) + call("LLEN", KEYS[4]) + call("ZCARD", KEYS[5]) + call("ZCARD", KEYS[6])

local oldest = false
local isDue = true
local stored = call("HGETALL", KEYS[1])
for index = 2, #stored, 2 do
  local at, itsAdded, itsBacklog = string.match(stored[index], "^(%d+):(%d+):(%d+)$")
  at, itsAdded, itsBacklog = tonumber(at), tonumber(itsAdded), tonumber(itsBacklog)
  if math.floor(at / periodMs) == math.floor(now / periodMs) then isDue = false end
  -- A sample with more arrivals than now was taken before the queue was deleted or flushed.
  local counts = at > now - periodMs * ringSize and at <= now and itsAdded <= added
  if counts and (not oldest or at < oldest[1]) then oldest = { at, itsAdded, itsBacklog } end
end
if isDue then
  local field = math.floor(now / periodMs) % ringSize
  call("HSET", KEYS[1], string.format("%d", field), string.format("%.0f:%.0f:%.0f", now, added, backlog))
  call("PEXPIRE", KEYS[1], periodMs * ringSize * 2)
end

local settings = call("HMGET", KEYS[7], "paused", "concurrency", "max", "duration")
return { now, { added, backlog }, oldest, settings, call("HGETALL", KEYS[8]) }
