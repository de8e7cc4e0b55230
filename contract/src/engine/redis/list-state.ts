import type { RedisState } from "../../api/jobs/job-states.ts";
import { parseBullId, queueKeys } from "./names.ts";

/** The subset of an ioredis client (single or Cluster) that listing uses. */
export interface ListingRedis {
  lrange(key: string, start: number, stop: number): Promise<string[]>;
  zrevrange(key: string, start: number, stop: number): Promise<string[]>;
}

/**
 * Lists the ids of jobs in a state from offset `start`, last added or last due first. The cost grows with `start`.
 * @returns `isLast` if no more jobs follow
 */
export async function listState(
  redis: ListingRedis,
  prefix: string,
  queue: string,
  state: RedisState,
  { start, count }: { start: number; count: number },
): Promise<{ ids: string[]; isLast: boolean }> {
  const keys = queueKeys(prefix, queue);
  const stop = start + count - 1;
  const found = await read();
  return {
    ids: found.flatMap((bullId) => parseBullId(bullId)?.id ?? []),
    isLast: found.length < count,
  };

  async function read() {
    if (state === "waiting") return redis.lrange(keys.wait, start, stop);
    if (state === "active") return redis.lrange(keys.active, start, stop);
    return redis.zrevrange(state === "delayed" ? keys.delayed : keys.prioritized, start, stop);
  }
}
