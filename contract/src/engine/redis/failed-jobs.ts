import { queueKeys } from "./names.ts";
import { createScript, type ScriptRedis } from "./script.ts";

/** What reading and forgetting failed jobs needs of an ioredis client, single or Cluster. */
export interface FailedRedis extends ScriptRedis {
  call(command: string, ...args: string[]): Promise<unknown>;
}

export interface FailedJobs {
  /** BullMQ ids of those that failed before a time, the oldest first. */
  list(queue: string, page: { before: number; offset: number; most: number }): Promise<string[]>;
  /** Removes them from Redis; tells how many were there. */
  forget(queue: string, ids: readonly string[]): Promise<number>;
}

/** KEYS[1] failed   ARGV[1] what every key of the queue begins with   ARGV[2...] ids   Returns how many were there. */
const script = `
  local count = 0
  for index = 2, #ARGV do
    if redis.call("ZREM", KEYS[1], ARGV[index]) == 1 then
      count = count + 1
      redis.call("DEL", ARGV[1] .. ARGV[index], ARGV[1] .. ARGV[index] .. ":logs")
    end
  end
  return count`;

/** Redis does nothing else during a call. */
const maxPerCall = 256;

/** Failed jobs that Redis keeps for whoever looks at the dashboard. Rejects as the client does. */
export function createFailedJobs(redis: FailedRedis, prefix: string): FailedJobs {
  const run = createScript(redis, script);
  return {
    async list(queue, { before, offset, most }) {
      const range = ["-inf", String(before), "BYSCORE", "LIMIT", String(offset), String(most)];
      return (await redis.call("zrange", queueKeys(prefix, queue).failed, ...range)) as string[];
    },
    async forget(queue, ids) {
      const { base, failed } = queueKeys(prefix, queue);
      let count = 0;
      for (let start = 0; start < ids.length; start += maxPerCall) {
        count += Number(await run([failed], [base, ...ids.slice(start, start + maxPerCall)]));
      }
      return count;
    },
  };
}
