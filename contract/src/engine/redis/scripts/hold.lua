--[[
  Renews the locks of jobs that workers hold, and returns what is needed to end their attempts.
  KEYS[1] events
  ARGV[1] key prefix of the queue, "<prefix>:{<queue>}:"
  ARGV[2] current time, ms since 1970
  ARGV[3] "extend": the locks end `ms` from now, or when the `timeoutMs` of the job ends, if that is earlier
          "hold": they last for `ms` at least
  ARGV[4] ms
  ARGV[5] "1" to return the data of the jobs
  ARGV[6] maximum number of log lines that are kept per job
  then per job:
    id
    value of its lock
    progress, JSON text; "" if unchanged
    number of log lines, and these lines
  Returns MessagePack: per job an array { false } if this value does not hold the lock of a job, else
    { name, options, creation time, attempts made, attempts started, stalls, start time, worker, data or false,
      ms until the lock ends, or "0" if the attempt has timed out and its lock is unchanged, log lines... }
]]
local call = redis.call
local eventsKey = KEYS[1]
local base, now, isExtension = ARGV[1], tonumber(ARGV[2]), ARGV[3] == "extend"
local ms, returnsData, maxLines = tonumber(ARGV[4]), ARGV[5] == "1", tonumber(ARGV[6])

local function getLockMs(lockKey, options, startedAt)
  if not isExtension then
    local left = call("PTTL", lockKey)
    return math.max(left, ms), left < ms
  end
  local timeoutMs = tonumber(string.match(options, '"timeoutMs":(%d+)') or "")
  if not timeoutMs then return ms, true end
  return math.min(ms, math.floor(startedAt + timeoutMs - now)), true
end

local function hold(id, token, progress, lines)
  local key = base .. id
  local lockKey = key .. ":lock"
  if call("GET", lockKey) ~= token then return { false } end
  local fields = redis.pcall("HMGET", key, "name", "opts", "timestamp", "atm", "ats", "stc", "processedOn", "pb", "torilLogged")
  if fields.err or not fields[1] or not fields[2] then return { false } end
  local lockMs, isChanged = getLockMs(lockKey, fields[2], tonumber(fields[7]) or now)
  local hasLines = fields[9]
  fields[9] = returnsData and call("HGET", key, "data") or false
  if lockMs <= 0 then
    fields[10] = "0"
  else
    if isChanged then call("PEXPIRE", lockKey, lockMs) end
    fields[10] = string.format("%d", lockMs)
    if progress ~= "" then
      call("HSET", key, "progress", progress)
      call("XADD", eventsKey, "*", "event", "progress", "jobId", id, "data", progress)
    end
    if #lines > 0 then
      call("RPUSH", key .. ":logs", unpack(lines))
      call("LTRIM", key .. ":logs", -maxLines, -1)
      call("HSET", key, "torilLogged", "1")
      hasLines = "1"
    end
  end
  if hasLines then
    for _, line in ipairs(call("LRANGE", key .. ":logs", -maxLines, -1)) do fields[#fields + 1] = line end
  end
  return fields
end

local held = {}
local at = 7
while at <= #ARGV do
  local count = tonumber(ARGV[at + 3])
  local lines = {}
  for index = at + 4, at + 3 + count do lines[#lines + 1] = ARGV[index] end
  held[#held + 1] = hold(ARGV[at], ARGV[at + 1], ARGV[at + 2], lines)
  at = at + 4 + count
end
return cmsgpack.pack(held)
