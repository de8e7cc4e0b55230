--[[
  Adds many jobs to one queue, atomically, like a series of BullMQ's Queue.add.
  KEYS[1] wait   KEYS[2] active   KEYS[3] delayed   KEYS[4] prioritized   KEYS[5] marker
  KEYS[6] meta   KEYS[7] id       KEYS[8] pc        KEYS[9] events
  ARGV[1] key prefix of the queue, "<prefix>:{<queue>}:"
  then groups of consecutive jobs that share these 5 arguments:
    name of the jobs
    options: a JSON object as BullMQ stores it, with `attempts`, without `jobId` and `tm`
    creation time, ms since 1970
    number of arguments per job, 2 or 3
    number of jobs
  then per job of the group:
    id, as built by bullId in names.ts
    data, JSON text
    W3C traceparent, if the jobs of the group have 3 arguments
  Returns the number of new jobs. A job whose id exists is left unchanged, with an event "duplicated".
  Returns an error, and writes nothing, if an argument or a setting in meta is malformed. dispatch.ts validates
  ids and traceparents in full, which is cheaper there.
  Writes the same state as addStandardJob-9, addDelayedJob-6 and addPrioritizedJob-9 of BullMQ 6.7.0 for jobs without
  parent, repetition and deduplication, with fewer commands: once per call, it reads meta, trims the event stream and
  writes pushes, scores and counters.
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
  return redis.error_reply("ERR dispatch: malformed " .. what)
end

local groups, keys, seen = {}, {}, {}
local mayExist = false
local at = 2
while at <= #args do
  local name, text, time = args[at], args[at + 1], args[at + 2]
  local width, count = tonumber(args[at + 3]), tonumber(args[at + 4])
  if width ~= 2 and width ~= 3 then return malformed("width of a group") end
  if not isWhole(count, #args) or count == 0 then return malformed("length of a group") end
  local isJson, options = pcall(cjson.decode, text)
  if not isJson or type(options) ~= "table" or not options.attempts or not string.find(text, "^{.*}$") then
    return malformed("options")
  end
  local delay, priority = options.delay or 0, options.priority or 0
  if not isWhole(delay, maxTime) then return malformed("delay") end
  if not isWhole(priority, maxPriority) then return malformed("priority") end
  if not string.find(time, "^%d+$") or tonumber(time) > maxTime then return malformed("time") end
  local first, last = at + 5, at + 4 + width * count
  if last > #args then return malformed("count of arguments") end
  for job = first, last, width do
    local id = args[job]
    if #id < 36 then return malformed("id") end
    if width == 3 and #args[job + 2] ~= 55 then return malformed("traceparent") end
    mayExist = mayExist or seen[id]
    seen[id] = true
    keys[#keys + 1] = base .. id
  end
  groups[#groups + 1] = {
    first = first,
    last = last,
    width = width,
    name = name,
    openOptions = string.sub(text, 1, -2) .. ',"jobId":"',
    time = time,
    delay = delay,
    delayText = string.format("%d", delay),
    priority = priority,
    priorityText = string.format("%d", priority),
    isLifo = options.lifo,
  }
  at = last + 1
end
if #keys == 0 then return malformed("count of jobs") end

local settings = redis.pcall("HMGET", metaKey, "opts.maxLenEvents", "paused", "concurrency")
if settings.err then return malformed("type of meta, " .. settings.err) end
local maxEvents = settings[1] or "10000"
if not string.find(maxEvents, "^%d+$") then return malformed("opts.maxLenEvents in meta") end
local isBlocked = settings[2]
if not isBlocked and settings[3] then
  local concurrency = tonumber(settings[3])
  if not concurrency then return malformed("concurrency in meta") end
  isBlocked = call("LLEN", activeKey) >= concurrency
end

-- BullMQ orders jobs due in the same millisecond by the low 12 bits of the score.
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

call("INCRBY", idKey, #keys)
if not settings[1] then call("HSET", metaKey, "opts.maxLenEvents", maxEvents) end
-- One EXISTS for all jobs; one per job only if some may exist.
mayExist = mayExist or call("EXISTS", unpack(keys)) > 0

local jobCount, newCount = 0, 0
local left, right, prioritized, delayed = {}, {}, {}, {}
local isDuplicate = {}
for _, group in ipairs(groups) do
  local name, time, width = group.name, group.time, group.width
  for job = group.first, group.last, width do
    jobCount = jobCount + 1
    local id, key = args[job], keys[jobCount]
    if mayExist and call("EXISTS", key) == 1 then
      isDuplicate[job] = true
    else
      newCount = newCount + 1
      local options
      if width == 2 then
        options = group.openOptions .. id .. '"}'
      else
        options = group.openOptions .. id .. '","tm":"{\\"traceparent\\":\\"' .. args[job + 2] .. '\\"}"}'
      end
      call("HSET", key, "name", name, "data", args[job + 1], "opts", options, "timestamp", time,
        "delay", group.delayText, "priority", group.priorityText)
      if group.delay > 0 then
        delayed[#delayed + 1] = delayedScore(tonumber(time) + group.delay)
        delayed[#delayed + 1] = id
      elseif group.priority > 0 then
        prioritized[#prioritized + 1] = group.priority * 4294967296 + call("INCR", pcKey) % 4294967296
        prioritized[#prioritized + 1] = id
      elseif group.isLifo then
        right[#right + 1] = id
      else
        left[#left + 1] = id
      end
    end
  end
end

-- Events are not written to the append-only file, which took a quarter of the time of a call: after a restart, Redis
-- needs the jobs only. A Redis that does not support this writes them.
local omitsEvents = pcall(redis.set_repl, redis.REPL_REPLICA)
for _, group in ipairs(groups) do
  local name, due = group.name, group.delay > 0 and tonumber(group.time) + group.delay
  for job = group.first, group.last, group.width do
    local id = args[job]
    if isDuplicate[job] then
      call("XADD", eventsKey, "*", "event", "duplicated", "jobId", id)
    else
      call("XADD", eventsKey, "*", "event", "added", "jobId", id, "name", name)
      if due then
        call("XADD", eventsKey, "*", "event", "delayed", "jobId", id, "delay", due)
      else
        call("XADD", eventsKey, "*", "event", "waiting", "jobId", id)
      end
    end
  end
end
if omitsEvents then redis.set_repl(redis.REPL_ALL) end
call("XTRIM", eventsKey, "MAXLEN", "~", maxEvents)

if #left > 0 then call("LPUSH", waitKey, unpack(left)) end
if #right > 0 then call("RPUSH", waitKey, unpack(right)) end
if #prioritized > 0 then call("ZADD", prioritizedKey, unpack(prioritized)) end
if not isBlocked and #left + #right + #prioritized > 0 then call("ZADD", markerKey, 0, "0") end
if #delayed > 0 then
  call("ZADD", delayedKey, unpack(delayed))
  call("ZADD", markerKey, call("ZRANGE", delayedKey, 0, 0, "WITHSCORES")[2] / 4096, "1")
end

return newCount
