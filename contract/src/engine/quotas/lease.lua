--[[
  Takes tokens from a token bucket that all producers share.
  KEYS[1] the bucket, a hash: tokens (negative when in debt) and at (ms since 1970, by this Redis' clock)
  ARGV[1] refill rate, tokens per second
  ARGV[2] bucket size
  ARGV[3] minimum: grant nothing if fewer tokens are available
  ARGV[4] required: otherwise always grant this many; missing tokens become debt
  ARGV[5] wanted: grant up to this many if available
  Returns the number of tokens granted, and the tokens left as text. A missing bucket is full.
]]
local rate, size = tonumber(ARGV[1]), tonumber(ARGV[2])
local minimum, required, wanted = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local tokens = size
local stored = redis.call("HMGET", KEYS[1], "tokens", "at")
if stored[1] and stored[2] then
  local elapsed = math.max(0, now - tonumber(stored[2]))
  tokens = math.min(size, tonumber(stored[1]) + elapsed * rate / 1000)
end

local granted = 0
if tokens >= minimum then
  granted = math.max(required, math.min(wanted, math.floor(tokens)))
end
if granted > 0 then
  tokens = tokens - granted
  redis.call("HSET", KEYS[1], "tokens", string.format("%.3f", tokens), "at", string.format("%d", now))
  redis.call("PEXPIRE", KEYS[1], math.ceil((size - tokens) / rate * 1000) + 1000)
end
return { granted, string.format("%.3f", tokens) }
