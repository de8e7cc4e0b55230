import { jobKey, queueKeys } from "./names.ts";

export interface QueueSize {
  queue: string;
  /** Jobs by where they stand in Redis; failed ones are kept there for a while. */
  counts: Record<"waiting" | "active" | "delayed" | "prioritized" | "failed", number>;
  /** For how long the job that is next has been ready to run; 0 when none waits. */
  oldestMs: number;
}

/** What reading needs of an ioredis client, single or Cluster. */
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
 * How full queues are. What it asks of Redis takes the same time whatever their size. Rejects when Redis refuses.
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
  // Workers take from the right of the list, and what has no priority before what has one.
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
  // What has run before waits since some time after that run.
  const readyAt = Math.max(Number(timestamp) + delayOf(options ?? null), Number(processedOn ?? 0));
  return Math.max(0, now() - readyAt);
}

/** 0 for what is not JSON: any program may have written it. */
function delayOf(options: string | null): number {
  try {
    const { delay }: { delay?: unknown } = JSON.parse(options ?? "{}");
    return typeof delay === "number" ? delay : 0;
  } catch {
    return 0;
  }
}
