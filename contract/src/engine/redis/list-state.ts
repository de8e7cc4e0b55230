import type { RedisState } from "../../api/jobs/job-states.ts";
import { parseBullId, queueKeys } from "./names.ts";

/** The subset of an ioredis client (single or Cluster) that listing uses. */
export interface ListingRedis {
  llen(key: string): Promise<number>;
  zcard(key: string): Promise<number>;
  lrange(key: string, start: number, stop: number): Promise<string[]>;
  zrevrange(key: string, start: number, stop: number): Promise<string[]>;
}

/**
 * Lists the ids of all jobs in a state, in no particular order; undefined if there are more than `limit`. Not a
 * snapshot. Rejects with Redis errors.
 */
export async function listState(
  redis: ListingRedis,
  prefix: string,
  { queues, state, limit }: { queues: readonly string[]; state: RedisState; limit: number },
): Promise<string[] | undefined> {
  const isList = state === "waiting" || state === "active";
  const keys = queues.map(
    (queue) => queueKeys(prefix, queue)[state === "waiting" ? "wait" : state],
  );
  const counts = await Promise.all(
    keys.map((key) => (isList ? redis.llen(key) : redis.zcard(key))),
  );
  const isTooMany = (count: number) => count > limit;
  if (isTooMany(counts.reduce((sum, count) => sum + count, 0))) return undefined;
  const filled = keys.filter((_, at) => counts[at] !== 0);
  const listed = await Promise.all(
    filled.map((key) => (isList ? redis.lrange(key, 0, limit) : redis.zrevrange(key, 0, limit))),
  );
  const ids = listed.flat();
  return isTooMany(ids.length) ? undefined : ids.flatMap((id) => parseBullId(id)?.id ?? []);
}
