import { queueKeys } from "@toril/contract/engine/redis/names";
import type { ScriptRedis } from "@toril/contract/engine/redis/script";

/** Above this share of maxmemory Redis is left to those who accept jobs. */
const maxShare = 0.8;

/** Asked by a script, so that in a Cluster the node answers that holds the queue. */
const script = `return redis.call("INFO", "memory")`;

/** Whether the Redis that holds the queue has room for jobs that are placed again; always, when it has no limit. */
export async function hasRoom(redis: ScriptRedis, prefix: string, queue: string): Promise<boolean> {
  const info = String(await redis.eval(script, 1, [queueKeys(prefix, queue).meta]));
  const used = readField(info, "used_memory");
  const limit = readField(info, "maxmemory");
  return limit === 0 || used < maxShare * limit;
}

function readField(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
}
