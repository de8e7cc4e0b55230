import { jobKey, rateLimitKey } from "../../redis/names.ts";
import { createScript, type ScriptRedis } from "../../redis/scripts/script.ts";
import { parseRecorded } from "../../../api/job-data/parse-safely.ts";
import type { JobType, KeyRate } from "../../../api/job-type.ts";
import type { TakenJob } from "./taken-job.ts";

/** When a job may start under a rate limit. */
export interface RateLimitSlot {
  /** Unix ms; 0 means now. */
  at: number;
  /** The job was delayed by the limit and has not started an attempt since. */
  hasWaited: boolean;
}

export interface KeyRateLimits {
  /**
   * Returns undefined for a job without a rate limit. Waits for Redis without a limit.
   * @throws the exception of the job type's function `by`
   */
  reserveSlot(
    queue: string,
    jobType: JobType,
    job: TakenJob,
    data: unknown,
  ): Promise<RateLimitSlot> | undefined;
}

/**
 * GCRA: the jobs of a key get consecutive slots, with bursts up to `max`. A delayed job keeps its slot in its hash and
 * takes no second slot when it returns, unless it returns so late that other jobs use the rate; then it gets one more,
 * once.
 *
 * KEYS[1] time up to which the key's slots are taken   KEYS[2] hash of the job
 * ARGV[1] now   ARGV[2] ms between two slots   ARGV[3] burst tolerance in ms
 * Returns { earliest start or 0, 1 if the job had a slot }; times in Unix ms.
 */
const script = `
  local now, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
  local had, isLast = string.match(redis.call("HGET", KEYS[2], "torilSlot") or "", "^(%d+)(!?)$")
  if had then
    local slot = tonumber(had)
    -- By the clock of another worker it may come a little early.
    if now < slot - 1000 then return { slot, 1 } end
    redis.call("HDEL", KEYS[2], "torilSlot")
    if isLast == "!" or now <= slot + burst + interval then return { 0, 1 } end
  end
  local taken = math.max(tonumber(redis.call("GET", KEYS[1]) or 0), now)
  local next = taken + interval
  redis.call("SET", KEYS[1], string.format("%.3f", next), "PX", math.ceil(next - now))
  local slot = math.ceil(taken - burst)
  if slot <= now then return { 0, had and 1 or 0 } end
  redis.call("HSET", KEYS[2], "torilSlot", string.format("%d", slot) .. (had and "!" or ""))
  return { slot, had and 1 or 0 }`;

export interface KeyRateLimitDeps {
  redis: ScriptRedis;
  prefix: string;
  /** Overrides the limits of the job types; null means no limit. */
  rates: ReadonlyMap<string, KeyRate | null>;
  /** Hashes the rate-limited value for the name of a key. */
  hash(value: string): string;
}

export function createKeyRateLimits({
  redis,
  prefix,
  rates,
  hash,
}: KeyRateLimitDeps): KeyRateLimits {
  const run = createScript(redis, script);

  async function reserve(slotsKey: string, hashKey: string, rate: KeyRate) {
    const intervalMs = rate.durationMs / rate.max;
    const answer = await run(
      [slotsKey, hashKey],
      [Date.now(), intervalMs, rate.durationMs - intervalMs].map(String),
    );
    const [at = 0, hadSlot] = answer as number[];
    return { at, hasWaited: hadSlot === 1 };
  }

  return {
    reserveSlot(queue, jobType, job, data) {
      const { type, rateLimit } = jobType;
      if (rateLimit === undefined) return undefined;
      const rate = rates.has(type) ? rates.get(type) : rateLimit;
      if (!rate) return undefined;
      const parsed = parseRecorded(jobType, data);
      // Data that does not fit the type fails without running the handler.
      if (!parsed.success) return undefined;
      const value = hash(rateLimit.by(parsed.data));
      return reserve(rateLimitKey(prefix, queue, type, value), jobKey(prefix, queue, job.id), rate);
    },
  };
}
