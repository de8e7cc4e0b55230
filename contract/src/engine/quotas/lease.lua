--[[
  Takes tokens from a token bucket that all producers share.
  KEYS[1] the bucket, a hash: tokens (negative when in debt) and at (ms since 1970, by this Redis' clock)
  ARGV[1] refill rate, tokens per second
  ARGV[2] bucket size
  ARGV[3] least: give nothing if fewer tokens are available
  ARGV[4] need: otherwise always give this many; missing tokens become debt
  ARGV[5] wanted: give up to this many if available
  Returns the number of tokens given, and the tokens left as text. A missing bucket is full.
]]
local rate, size = tonumber(ARGV[1]), tonumber(ARGV[2])
local least, need, wanted = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local tokens = size
local stored = redis.call("HMGET", KEYS[1], "tokens", "at")
if stored[1] and stored[2] then
  local elapsed = math.max(0, now - tonumber(stored[2]))
  tokens = math.min(size, tonumber(stored[1]) + elapsed * rate / 1000)
end

local given = 0
if tokens >= least then
  given = math.max(need, math.min(wanted, math.floor(tokens)))
end
if given > 0 then
  tokens = tokens - given
  redis.call("HSET", KEYS[1], "tokens", string.format("%.3f", tokens), "at", string.format("%d", now))
  redis.call("PEXPIRE", KEYS[1], math.ceil((size - tokens) / rate * 1000) + 1000)
end
return { given, string.format("%.3f", tokens) }
