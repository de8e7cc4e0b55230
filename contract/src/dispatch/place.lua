--[[
  Adds many jobs to one queue, atomically, as BullMQ's Queue.add would one after the other.

  KEYS[1] wait   KEYS[2] active   KEYS[3] delayed   KEYS[4] prioritized   KEYS[5] marker
  KEYS[6] meta   KEYS[7] id       KEYS[8] pc        KEYS[9] events

  ARGV[1] what every key of the queue begins with, "<prefix>:{<queue>}:"
  ARGV[2] how many kinds follow; a kind is what many jobs have in common
  then per kind, 2 each:
    the name of the job
    its options, a JSON object as BullMQ stores it, with `attempts`, without `jobId` and `tm`
  then per job, 5 each:
    its kind, from 1
    its id, as bullId in names.ts makes it
    when it was made, in ms since 1970
    its W3C traceparent, or ""
    its data, JSON text

  Returns how many jobs were new. A job whose id stands already is left alone, with an event "duplicated".
  Returns an error, and has written nothing, when an argument or a setting in meta is malformed. The spelling of
  ids and traceparents is checked by place.ts, where it costs less.

  Writes what addStandardJob-9, addDelayedJob-6 and addPrioritizedJob-9 of BullMQ 6.7.0 write for jobs without
  parent, repetition and deduplication. The state is the same, the commands are fewer: meta is read once a call,
  and pushes, scores and counters travel together.
]]
local call = redis.call
local args = ARGV

local waitKey, activeKey, delayedKey, prioritizedKey, markerKey, metaKey, idKey, pcKey, eventsKey = unpack(KEYS)

local base = args[1]
local maxTime = 8640000000000000
local maxPriority = 2097151

local function isWhole(value, max)
  return type(value) == "number" and value >= 0 and value <= max and value % 1 == 0
end

local function malformed(what)
  return redis.error_reply("ERR place: malformed " .. what)
end

local kindCount = tonumber(args[2])
if not isWhole(kindCount, #args) then return malformed("count of kinds") end
local firstJob = 3 + 2 * kindCount
local jobCount = (#args - firstJob + 1) / 5
if jobCount < 1 or jobCount % 1 ~= 0 then return malformed("count of arguments") end

local kinds = {}
for number = 1, kindCount do
  local text = args[2 + 2 * number]
  local isJson, options = pcall(cjson.decode, text)
  if not isJson or type(options) ~= "table" or not options.attempts or not string.find(text, "^{.*}$") then
    return malformed("options")
  end
  local delay, priority = options.delay or 0, options.priority or 0
  if not isWhole(delay, maxTime) then return malformed("delay") end
  if not isWhole(priority, maxPriority) then return malformed("priority") end
  kinds[string.format("%d", number)] = {
    name = args[1 + 2 * number],
    openOptions = string.sub(text, 1, -2) .. ',"jobId":"',
    delay = delay,
    delayText = string.format("%d", delay),
    priority = priority,
    priorityText = string.format("%d", priority),
    isLifo = options.lifo,
  }
end

local checkedTime
for job = firstJob, #args, 5 do
  if not kinds[args[job]] then return malformed("kind") end
  if #args[job + 1] < 36 then return malformed("id") end
  local time = args[job + 2]
  if time ~= checkedTime then
    if not string.find(time, "^%d+$") or tonumber(time) > maxTime then return malformed("time") end
    checkedTime = time
  end
  local traceparent = args[job + 3]
  if traceparent ~= "" and #traceparent ~= 55 then return malformed("traceparent") end
end

local settings = call("HMGET", metaKey, "opts.maxLenEvents", "paused", "concurrency")
local maxEvents = settings[1] or "10000"
if not string.find(maxEvents, "^%d+$") then return malformed("opts.maxLenEvents in meta") end
local isHeld = settings[2]
if not isHeld and settings[3] then
  local concurrency = tonumber(settings[3])
  if not concurrency then return malformed("concurrency in meta") end
  isHeld = call("LLEN", activeKey) >= concurrency
end

-- BullMQ orders what is due in the same millisecond by the low 12 bits of the score.
local lastScores = {}
local function delayedScore(due)
  local first, last = due * 4096, due * 4096 + 4095
  local score = lastScores[due]
    or tonumber(call("ZREVRANGEBYSCORE", delayedKey, last, first, "WITHSCORES", "LIMIT", 0, 1)[2])
    or first - 1
  score = math.min(score + 1, last)
  lastScores[due] = score
  return score
end

call("INCRBY", idKey, jobCount)
if not settings[1] then call("HSET", metaKey, "opts.maxLenEvents", maxEvents) end

local newCount = 0
local left, right, prioritized, delayed = {}, {}, {}, {}
for job = firstJob, #args, 5 do
  local id = args[job + 1]
  local key = base .. id
  if call("EXISTS", key) == 1 then
    call("XADD", eventsKey, "MAXLEN", "~", maxEvents, "*", "event", "duplicated", "jobId", id)
  else
    newCount = newCount + 1
    local kind, time, traceparent = kinds[args[job]], args[job + 2], args[job + 3]
    local name = kind.name
    local options
    if traceparent == "" then
      options = kind.openOptions .. id .. '"}'
    else
      options = kind.openOptions .. id .. '","tm":"{\\"traceparent\\":\\"' .. traceparent .. '\\"}"}'
    end
    call("HSET", key, "name", name, "data", args[job + 4], "opts", options, "timestamp", time,
      "delay", kind.delayText, "priority", kind.priorityText)
    call("XADD", eventsKey, "*", "event", "added", "jobId", id, "name", name)
    if kind.delay > 0 then
      local due = tonumber(time) + kind.delay
      delayed[#delayed + 1] = delayedScore(due)
      delayed[#delayed + 1] = id
      call("XADD", eventsKey, "MAXLEN", "~", maxEvents, "*", "event", "delayed", "jobId", id, "delay", due)
    else
      if kind.priority > 0 then
        prioritized[#prioritized + 1] = kind.priority * 4294967296 + call("INCR", pcKey) % 4294967296
        prioritized[#prioritized + 1] = id
      elseif kind.isLifo then
        right[#right + 1] = id
      else
        left[#left + 1] = id
      end
      call("XADD", eventsKey, "MAXLEN", "~", maxEvents, "*", "event", "waiting", "jobId", id)
    end
  end
end

if #left > 0 then call("LPUSH", waitKey, unpack(left)) end
if #right > 0 then call("RPUSH", waitKey, unpack(right)) end
if #prioritized > 0 then call("ZADD", prioritizedKey, unpack(prioritized)) end
if not isHeld and #left + #right + #prioritized > 0 then call("ZADD", markerKey, 0, "0") end
if #delayed > 0 then
  call("ZADD", delayedKey, unpack(delayed))
  call("ZADD", markerKey, call("ZRANGE", delayedKey, 0, 0, "WITHSCORES")[2] / 4096, "1")
end

return newCount
