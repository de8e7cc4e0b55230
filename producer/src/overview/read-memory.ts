import type { Cluster, Redis } from "ioredis";
import type { Overview } from "@toril/contract/api/overview";

type Memory = Overview["redis"];

/** Reads the memory of the fullest Redis node. Rejects with the client's errors. */
export async function readRedisMemory(redis: Redis | Cluster): Promise<Memory> {
  const nodes = "nodes" in redis ? redis.nodes("master") : [redis];
  const all = await Promise.all(nodes.map(async (node) => parseMemory(await node.info("memory"))));
  const [fullest] = all.toSorted((a, b) => getShare(b) - getShare(a));
  return fullest ?? { usedBytes: 0, maxBytes: null };
}

function getShare({ usedBytes, maxBytes }: Memory): number {
  return usedBytes / (maxBytes ?? Number.MAX_SAFE_INTEGER);
}

function parseMemory(info: string): Memory {
  const read = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
  return { usedBytes: read("used_memory"), maxBytes: read("maxmemory") || null };
}
