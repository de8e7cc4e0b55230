import { randomUUID } from "node:crypto";
import { epochKey } from "@toril/contract/engine/redis/names";
import type { ScriptRedis } from "@toril/contract/engine/redis/scripts/script";

/** The Redis node that holds a queue. */
export interface RedisNode {
  /** Value of the epoch key: another value means that the node lost its data. */
  epoch: string;
  /** Another value means that the server restarted, or that another server holds the queue now. */
  runId: string;
  /** Whether the node has memory for re-dispatched jobs. Always true when maxmemory is not set. */
  hasMemory: boolean;
}

/** Above this share of maxmemory, the remaining memory is reserved for newly accepted jobs. */
const maxUsedShare = 0.8;

/**
 * KEYS[1] an epoch, ARGV[1] its initial value. Returns the epoch, which the first caller has set, and INFO of the same
 * node: in a Cluster or behind Sentinels, each call may reach another node. Redis without memory rejects each SET.
 */
const script = `
  if redis.call("EXISTS", KEYS[1]) == 0 then redis.call("SET", KEYS[1], ARGV[1]) end
  return { redis.call("GET", KEYS[1]), redis.call("INFO", "server"), redis.call("INFO", "memory") }`;

export async function readNode(
  redis: Pick<ScriptRedis, "eval">,
  prefix: string,
  queue: string,
): Promise<RedisNode> {
  const reply = await redis.eval(script, 1, [epochKey(prefix, queue), randomUUID()]);
  const [epoch = "", server = "", memory = ""] = (reply as unknown[]).map(String);
  const used = Number(readField(memory, "used_memory"));
  const limit = Number(readField(memory, "maxmemory"));
  return {
    epoch,
    runId: readField(server, "run_id"),
    hasMemory: limit === 0 || used < maxUsedShare * limit,
  };
}

function readField(info: string, name: string): string {
  return new RegExp(`^${name}:(\\w+)`, "m").exec(info)?.[1] ?? "";
}
