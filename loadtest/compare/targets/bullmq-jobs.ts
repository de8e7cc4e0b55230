import type { Redis } from "ioredis";

import type { TargetJobs } from "./target.ts";

/** Counts the jobs of BullMQ queues that have not ended, or that failed. */
export async function countBullMqUnfinished(
  redis: Redis,
  prefix: string,
  names: readonly string[],
): Promise<number> {
  const pipeline = redis.pipeline();
  for (const name of names) {
    const base = `${prefix}:${name}:`;
    for (const list of ["wait", "active", "paused"]) pipeline.llen(base + list);
    for (const set of ["delayed", "prioritized", "failed"]) pipeline.zcard(base + set);
  }
  const replies = (await pipeline.exec()) ?? [];
  return replies.reduce((sum, [, count]) => sum + Number(count ?? 0), 0);
}

/**
 * The jobs of a queue whose workers remove completed jobs: a job that is neither waiting nor active nor failed was
 * completed. BullMQ counts the jobs that it adds, unless they have ids of their own.
 */
export function createBullMqJobs(redis: Redis, prefix: string, name: string): TargetJobs {
  const countUnfinished = () => countBullMqUnfinished(redis, prefix, [name]);
  return {
    countUnfinished,
    async count() {
      const [added, unfinished] = [
        await redis.get(`${prefix}:${name}:id`),
        await countUnfinished(),
      ];
      const accepted = Math.max(Number(added ?? 0), unfinished);
      return { accepted, settled: accepted - unfinished };
    },
    async empty(isServed) {
      if (!isServed) await removeKeys(redis, `${prefix}:${name}:`);
    },
  };
}

/** Removes the keys of a queue, of which there may be many. */
export async function removeKeys(redis: Redis, base: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: `${base}*`, count: 5_000 })) {
    const found = keys as string[];
    if (found.length > 0) await redis.unlink(...found);
  }
}
