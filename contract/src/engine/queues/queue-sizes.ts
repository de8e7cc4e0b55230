import type { RedisState } from "../../api/jobs/job-states.ts";
import { parseJsonOrNull } from "../../api/json/json.ts";
import { jobKey, queueKeys } from "../redis/names.ts";

export interface QueueSize {
  queue: string;
  /** Number of jobs by state in Redis; failed jobs are kept there for a while. */
  counts: Record<RedisState | "failed", number>;
  /** How long the next job has been ready to run; 0 if no job waits. */
  oldestMs: number;
}

/** The subset of an ioredis client (single or Cluster) that reading sizes uses. */
export interface SizesRedis {
  pipeline(): SizesPipeline;
  hmget(key: string, ...fields: string[]): Promise<(string | null)[]>;
}

interface SizesPipeline {
  llen(key: string): unknown;
  zcard(key: string): unknown;
  lindex(key: string, index: number): unknown;
  call(command: string, ...args: string[]): unknown;
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

/**
 * Reads the sizes of queues, in constant time per queue. Rejects with Redis errors.
 * @param now ms since 1970
 */
export function readQueueSizes(
  redis: SizesRedis,
  prefix: string,
  queues: readonly string[],
  now: () => number,
): Promise<QueueSize[]> {
  return Promise.all(queues.map((queue) => readQueueSize(redis, prefix, queue, now)));
}

async function readQueueSize(
  redis: SizesRedis,
  prefix: string,
  queue: string,
  now: () => number,
): Promise<QueueSize> {
  const keys = queueKeys(prefix, queue);
  const pipeline = redis.pipeline();
  pipeline.llen(keys.wait);
  pipeline.llen(keys.active);
  pipeline.zcard(keys.delayed);
  pipeline.zcard(keys.prioritized);
  pipeline.zcard(keys.failed);
  // Workers take from the right of the list, and jobs without a priority first.
  pipeline.lindex(keys.wait, -1);
  pipeline.call("zrange", keys.prioritized, "0", "0");
  const replies = (await pipeline.exec())?.map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
  const [waiting, active, delayed, prioritized, failed, next, first] = replies ?? [];
  const id = next ?? (Array.isArray(first) ? first[0] : undefined);
  return {
    queue,
    counts: {
      waiting: Number(waiting),
      active: Number(active),
      delayed: Number(delayed),
      prioritized: Number(prioritized),
      failed: Number(failed),
    },
    oldestMs: typeof id === "string" ? await readAge(redis, jobKey(prefix, queue, id), now) : 0,
  };
}

async function readAge(redis: SizesRedis, key: string, now: () => number): Promise<number> {
  const [timestamp, options, processedOn] = await redis.hmget(
    key,
    "timestamp",
    "opts",
    "processedOn",
  );
  if (!timestamp) return 0;
  // After an earlier attempt, the job has waited since some time after that attempt began.
  const readyAt = Math.max(
    Number(timestamp) + parseDelay(options ?? null),
    Number(processedOn ?? 0),
  );
  return Math.max(0, now() - readyAt);
}

/** 0 for malformed JSON: foreign programs may write this field. */
function parseDelay(options: string | null): number {
  const { delay } = (parseJsonOrNull(options) ?? {}) as { delay?: unknown };
  return typeof delay === "number" ? delay : 0;
}
