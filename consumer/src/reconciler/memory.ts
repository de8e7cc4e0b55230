import { queueKeys } from "@toril/contract/engine/redis/names";
import type { ScriptRedis } from "@toril/contract/engine/redis/script";

/** Above this share of maxmemory, the remaining memory is reserved for newly accepted jobs. */
const maxUsedShare = 0.8;

/** Sent as a script, so that a Cluster routes the command to the node that holds the queue. */
const script = `return redis.call("INFO", "memory")`;

/** Whether the Redis node of the queue has memory for re-dispatched jobs. Always true when maxmemory is not set. */
export async function hasMemory(
  redis: ScriptRedis,
  prefix: string,
  queue: string,
): Promise<boolean> {
  const info = String(await redis.eval(script, 1, [queueKeys(prefix, queue).meta]));
  const used = readField(info, "used_memory");
  const limit = readField(info, "maxmemory");
  return limit === 0 || used < maxUsedShare * limit;
}

function readField(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
}
