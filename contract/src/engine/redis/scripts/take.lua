--[[
  Finishes completed jobs of one queue and takes the next ones, atomically.
  KEYS[1] wait    KEYS[2] active    KEYS[3] prioritized   KEYS[4] events   KEYS[5] stalled
  KEYS[6] limiter KEYS[7] delayed   KEYS[8] meta          KEYS[9] pc       KEYS[10] marker
  ARGV[1] key prefix of the queue, "<prefix>:{<queue>}:"
  ARGV[2] current time, ms since 1970
  ARGV[3] maximum number of jobs to take; 0 also promotes no delayed jobs
  ARGV[4] token: the value of the locks of the taken jobs
  ARGV[5] lock duration in ms
  ARGV[6] name of the worker
  ARGV[7] maximum number of jobs per period   ARGV[8] period in ms: the worker's rate limit, "" for none
  ARGV[9] return value of the finished jobs, JSON text
  then groups of finished jobs that share these 2 arguments: value of their locks, number of jobs; then per job its id
  Returns {
    false if all finished jobs have the code 0, else one code per job:
      0 finished and removed   1 unchanged: a job of a flow or with a deduplication id, which only moveToFinished can finish
      -1 no hash   -2 no lock   -3 not in the active list   -6 another worker holds the lock
    ms until the rate limit allows the next job, or 0
    due time of the next delayed job in ms since 1970 if the queue has no other job, or 0
    false if no job is taken, else MessagePack: per taken job an array of its fields (name, data, options, creation time,
      attempts made, attempts started before, stalls, reason of a deferred failure, id of the job scheduler; text, or false if
      the hash has no such field) and its id. Clients decode a text much faster than a reply of many elements
    what is malformed in meta, or false; then no job is taken
  }
  Reads and checks what it needs before it writes; only fields of a taken job whose key is not a hash are skipped.
  Writes the same state as moveToFinished-14 (for completed jobs, removed at once, without fetching the next job) for each
  finished job and then moveToActive-11 for each taken job, of BullMQ 6.7.0, with fewer commands: once per call, it reads
  meta, trims the event stream, promotes delayed jobs and writes pops, pushes, deletions and the marker. It sets the
  marker, which wakes another worker, only if jobs are left.
]]
local call = redis.call
local args = ARGV
local waitKey, activeKey, prioritizedKey, eventsKey, stalledKey = unpack(KEYS, 1, 5)
local limiterKey, delayedKey, metaKey, pcKey, markerKey = unpack(KEYS, 6, 10)

local base, now = args[1], args[2]
local limit, token, lockMs, worker = tonumber(args[3]), args[4], args[5], args[6]
local returnValue = args[9]

local settings = call("HMGET", metaKey, "paused", "concurrency", "max", "duration", "opts.maxLenEvents")
local isPaused = settings[1]
local malformed = false

local concurrency = not isPaused and settings[2]
if concurrency then
  concurrency = tonumber(concurrency)
  if not concurrency then malformed = "concurrency in meta" end
end
-- As in BullMQ, the maximum of the queue comes before that of the worker, and the period of the worker before that of the queue.
local maxJobs, limiterMs = tonumber(settings[3] or args[7]), tonumber(args[8]) or tonumber(settings[4])
if maxJobs and not limiterMs then malformed = "duration in meta" end

local maxEvents = settings[5] or "10000"
if not string.find(maxEvents, "^%d+$") then maxEvents, malformed = "10000", "opts.maxLenEvents in meta" end

local codes, isFinished = {}, true
local ids, held, keys, locks, logs, sides = {}, {}, {}, {}, {}, {}
local index = 10
while index <= #args do
  local lock, count = args[index], tonumber(args[index + 1])
  for at = index + 2, index + 1 + count do
    local n, id = #ids + 1, args[at]
    local key = base .. id
    ids[n], held[n], keys[n], locks[n], logs[n] = id, lock, key, key .. ":lock", key .. ":logs"
    sides[4 * n - 3], sides[4 * n - 2] = key .. ":dependencies", key .. ":unsuccessful"
    sides[4 * n - 1], sides[4 * n] = key .. ":processed", key .. ":failed"
  end
  index = index + 2 + count
end

-- Removes the ids in one command if they are the oldest active jobs, as in the queue of a single worker. Returns whether it did.
local function trimActive(oldest)
  local expected = {}
  for n = 1, #oldest do expected[oldest[n]] = true end
  if not expected[call("LRANGE", activeKey, -1, -1)[1]] then return false end
  local last = call("LRANGE", activeKey, -#oldest, -1)
  for n = 1, #last do
    if not expected[last[n]] then return false end
    expected[last[n]] = nil
  end
  if next(expected) then return false end
  call("LTRIM", activeKey, 0, -#oldest - 1)
  return true
end

-- Adds an event for each id. Events are not written to the append-only file: see dispatch.lua.
local function addEvents(event, ids, ...)
  local omitsEvents = pcall(redis.set_repl, redis.REPL_REPLICA)
  for n = 1, #ids do call("XADD", eventsKey, "*", "event", event, "jobId", ids[n], ...) end
  if omitsEvents then redis.set_repl(redis.REPL_ALL) end
end

-- BullMQ stores a job with 6 fields, and taking it adds 3: a job with this number of fields has no parent and no
-- deduplication id.
local plainSize = 9

-- Whether only moveToFinished can finish the job.
local function isSpecial(key, size)
  if size == plainSize then return false end
  local fields = redis.pcall("HMGET", key, "parentKey", "parent", "deid")
  return fields.err or fields[1] or fields[2] or fields[3]
end

local function getCode(n, lock, mayHaveChildren)
  local size = redis.pcall("HLEN", keys[n])
  if size == 0 then return -1 end
  if isSpecial(keys[n], size) then return 1 end
  if mayHaveChildren and call("EXISTS", unpack(sides, 4 * n - 3, 4 * n)) > 0 then return 1 end
  if lock ~= held[n] then return lock and -6 or -2 end
  return 0
end

-- Returns the values of the jobs that have the code 0.
local function ofFinished(values)
  if isFinished then return values end
  local kept = {}
  for n, code in ipairs(codes) do
    if code == 0 then kept[#kept + 1] = values[n] end
  end
  return kept
end

-- One EXISTS for all jobs; one per job only if some have children.
local function finish()
  local mayHaveChildren = call("EXISTS", unpack(sides)) > 0
  local mayHaveLogs = call("EXISTS", unpack(logs)) > 0
  local tokens = call("MGET", unpack(locks))
  for n = 1, #keys do
    codes[n] = getCode(n, tokens[n], mayHaveChildren)
    isFinished = isFinished and codes[n] == 0
  end
  local heldIds = ofFinished(ids)
  if #heldIds == 0 then return end

  -- First, because Redis refuses no DEL when its memory is full, and nothing after the first write.
  call("DEL", unpack(ofFinished(locks)))
  call("SREM", stalledKey, unpack(heldIds))
  if not settings[5] then call("HSET", metaKey, "opts.maxLenEvents", maxEvents) end
  call("XTRIM", eventsKey, "MAXLEN", "~", maxEvents)
  if not trimActive(heldIds) then
    for n, id in ipairs(ids) do
      if codes[n] == 0 and call("LREM", activeKey, -1, id) < 1 then codes[n], isFinished = -3, false end
    end
  end
  local finished = ofFinished(ids)
  if #finished == 0 then return end
  addEvents("completed", finished, "returnvalue", returnValue, "prev", "active")
  call("DEL", unpack(ofFinished(keys)))
  if mayHaveLogs then call("DEL", unpack(ofFinished(logs))) end
  if call("LLEN", waitKey) == 0 and call("LLEN", activeKey) == 0 and call("ZCARD", prioritizedKey) == 0 then
    call("XADD", eventsKey, "*", "event", "drained")
  end
end

local function promoteDelayed(isHeld)
  local ids = call("ZRANGEBYSCORE", delayedKey, 0, (now + 1) * 4096 - 1, "LIMIT", 0, 1000)
  if #ids == 0 then return end
  call("ZREM", delayedKey, unpack(ids))
  for _, id in ipairs(ids) do
    local key = base .. id
    local priority = tonumber(call("HGET", key, "priority")) or 0
    if priority == 0 then
      call("LPUSH", waitKey, id)
    else
      call("ZADD", prioritizedKey, priority * 4294967296 + call("INCR", pcKey) % 4294967296, id)
    end
    call("XADD", eventsKey, "*", "event", "waiting", "jobId", id, "prev", "delayed")
    call("HSET", key, "delay", 0)
  end
  if not isHeld then call("ZADD", markerKey, 0, "0") end
end

local function getRateLimitTtl()
  if not maxJobs or maxJobs > (tonumber(call("GET", limiterKey) or 0) or 0) then return 0 end
  local ttl = call("PTTL", limiterKey)
  if ttl == 0 then call("DEL", limiterKey) end
  return math.max(ttl, 0)
end

-- Moves up to `count` ids to the active list and returns them.
local function pop(count)
  local ids = {}
  while #ids < count do
    local wanted = count - #ids
    local popped = call("RPOP", waitKey, wanted) or {}
    for n = 1, #popped do
      local id = popped[n]
      -- Old versions of BullMQ put markers into the list.
      if string.sub(id, 1, 2) ~= "0:" then ids[#ids + 1] = id end
    end
    if #popped < wanted then break end
  end
  if #ids < count then
    local popped = call("ZPOPMIN", prioritizedKey, count - #ids)
    for index = 1, #popped, 2 do ids[#ids + 1] = popped[index] end
    if #ids < count then call("DEL", pcKey) end
  end
  if #ids > 0 then call("LPUSH", activeKey, unpack(ids)) end
  return ids
end

local jobs, startedIds = {}, {}
local function start(id)
  local key = base .. id
  call("SET", key .. ":lock", token, "PX", lockMs)
  startedIds[#startedIds + 1] = id
  local fields = redis.pcall("HMGET", key, "name", "data", "opts", "timestamp", "atm", "ats", "stc", "defa", "rjk")
  if fields.err then
    fields = { false, false, false, false, false, false, false, false, false }
  else
    -- Redis formats numbers more slowly than Lua concatenates them.
    local started = fields[6] and string.format("%d", (tonumber(fields[6]) or 0) + 1) or "1"
    call("HSET", key, "processedOn", now, "pb", worker, "ats", started)
  end
  fields[10] = id
  jobs[#jobs + 1] = fields
  return fields[8]
end

local function take()
  local active = concurrency and call("LLEN", activeKey)
  local isHeld = isPaused or (concurrency and active >= concurrency)
  promoteDelayed(isHeld)
  local ttl = getRateLimitTtl()
  if ttl > 0 or isHeld then return ttl, 0 end

  local room = concurrency and math.min(limit, math.ceil(concurrency - active)) or limit
  if maxJobs then
    repeat
      local id = pop(1)[1]
      if id then
        -- A job that only fails does not count.
        local isCounted = not start(id)
        if isCounted and call("INCR", limiterKey) == 1 then
          call("PEXPIRE", limiterKey, math.floor(math.abs(limiterMs)))
        end
      end
      ttl = #jobs < limit and getRateLimitTtl() or 0
    until not id or ttl > 0 or #jobs >= room
  else
    local ids = pop(room)
    for n = 1, #ids do start(ids[n]) end
  end
  if #jobs > 0 and (call("LLEN", waitKey) > 0 or call("ZCARD", prioritizedKey) > 0) then
    call("ZADD", markerKey, 0, "0")
  end
  if ttl > 0 or #jobs >= room then return ttl, 0 end
  local nextScore = call("ZRANGE", delayedKey, 0, 0, "WITHSCORES")[2]
  return 0, nextScore and nextScore / 4096 or 0
end

if #keys > 0 then finish() end
local ttl, nextDue = 0, 0
if limit > 0 and not malformed then ttl, nextDue = take() end
if #startedIds > 0 then addEvents("active", startedIds, "prev", "waiting") end
return { not isFinished and codes, ttl, nextDue, #jobs > 0 and cmsgpack.pack(jobs), malformed }
