import type { Redis } from "ioredis";

/** Above this share of maxmemory Redis is left to those who accept jobs. */
const maxShare = 0.8;

/** Whether Redis has room for jobs that are placed again; always, when it has no limit. */
export async function hasRoom(redis: Pick<Redis, "info">): Promise<boolean> {
  const info = await redis.info("memory");
  const used = readField(info, "used_memory");
  const limit = readField(info, "maxmemory");
  return limit === 0 || used < maxShare * limit;
}

function readField(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
}
