import { queueKeys } from "./names.ts";
import { createScript, type ScriptRedis } from "./scripts/script.ts";

/** The subset of an ioredis client (single or Cluster) that reading and removing failed jobs uses. */
export interface FailedRedis extends ScriptRedis {
  call(command: string, ...args: string[]): Promise<unknown>;
}

export interface FailedJobs {
  /** Lists the BullMQ ids of jobs that failed before a time, oldest first. */
  list(queue: string, page: { before: number; offset: number; limit: number }): Promise<string[]>;
  /** Removes failed jobs from Redis; resolves to the number of removed jobs. */
  remove(queue: string, ids: readonly string[]): Promise<number>;
}

/** KEYS[1] failed   ARGV[1] key prefix of the queue   ARGV[2...] ids   Returns the number of removed jobs. */
const script = `
  local count = 0
  for index = 2, #ARGV do
    if redis.call("ZREM", KEYS[1], ARGV[index]) == 1 then
      count = count + 1
      redis.call("DEL", ARGV[1] .. ARGV[index], ARGV[1] .. ARGV[index] .. ":logs")
    end
  end
  return count`;

/** A call blocks Redis, so its size is bounded. */
const maxPerCall = 256;

/** Accesses the failed jobs that Redis keeps for the dashboard. Rejects with the client's errors. */
export function createFailedJobs(redis: FailedRedis, prefix: string): FailedJobs {
  const run = createScript(redis, script);
  return {
    async list(queue, { before, offset, limit }) {
      const range = ["-inf", String(before), "BYSCORE", "LIMIT", String(offset), String(limit)];
      return (await redis.call("zrange", queueKeys(prefix, queue).failed, ...range)) as string[];
    },
    async remove(queue, ids) {
      const { base, failed } = queueKeys(prefix, queue);
      let count = 0;
      for (let start = 0; start < ids.length; start += maxPerCall) {
        count += Number(await run([failed], [base, ...ids.slice(start, start + maxPerCall)]));
      }
      return count;
    },
  };
}
