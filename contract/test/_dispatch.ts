import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { bullId, bullName } from "../src/engine/redis/names.ts";
import {
  createDispatch,
  type DispatchEntry,
  dispatchScriptUrl,
} from "../src/engine/redis/scripts/dispatch.ts";

export const _script = await Bun.file(dispatchScriptUrl).text();

export function _connect() {
  return new Redis(process.env["TEST_REDIS_URL"] ?? "redis://127.0.0.1:6399", {
    maxRetriesPerRequest: null,
  });
}

/** Creates helpers for a prefix, unique by default. */
export function _createSite(redis: Redis, prefix: string = `test-${crypto.randomUUID()}`) {
  const dispatch = createDispatch(redis, { prefix, script: _script });
  return {
    prefix,
    dispatch,
    openQueue: (queue: string) =>
      new Queue(bullName(queue), { connection: redis, prefix, skipMetasUpdate: true }),
    snapshot: () => snapshot(redis, prefix),
    async clear() {
      const keys = await keysOf(redis, prefix);
      if (keys.length > 0) await redis.del(keys);
    },
  };
}

export function _dispatchEntry(
  changes: Partial<DispatchEntry> & { n?: number; generation?: number } = {},
): DispatchEntry {
  const { n, generation = 0, ...rest } = changes;
  return {
    bullId: bullId(n === undefined ? crypto.randomUUID() : _uuid(n), generation),
    type: "echo",
    data: '{"message":"hello"}',
    options: { attempts: 3, timestamp: 1_700_000_000_000 },
    ...rest,
  };
}

export function _uuid(n: number) {
  return `019c2f1e-7b1a-7c3d-8a4e-${String(n).padStart(12, "0")}`;
}

/** Returns the rejection of a promise, as text. */
export async function _rejection(promise: Promise<unknown>) {
  return promise.then(
    () => "not rejected",
    (error: unknown) => String(error),
  );
}

async function keysOf(redis: Redis, prefix: string) {
  const keys: string[] = [];
  for await (const page of redis.scanStream({ match: `${prefix}:*`, count: 1000 }))
    keys.push(...page);
  return keys.sort();
}

type Snapshot = Record<string, { type: string; expiresInMs: number; content: unknown }>;

/** Reads every key under a prefix with type, expiry and content; omits the ids of stream entries. */
async function snapshot(redis: Redis, prefix: string): Promise<Snapshot> {
  const keys = await keysOf(redis, prefix);
  const entries = keys.map(async (key): Promise<[string, Snapshot[string]]> => {
    const [type, expiresInMs] = await Promise.all([redis.type(key), redis.pttl(key)]);
    return [
      key.slice(prefix.length),
      { type, expiresInMs, content: await readContent(redis, key, type) },
    ];
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function readContent(redis: Redis, key: string, type: string): Promise<unknown> {
  if (type === "string") return redis.get(key);
  if (type === "list") return redis.lrange(key, 0, -1);
  if (type === "set") return (await redis.smembers(key)).toSorted();
  if (type === "zset") return redis.zrange(key, 0, "-1", "WITHSCORES");
  if (type === "stream") return (await redis.xrange(key, "-", "+")).map(([, fields]) => fields);
  if (type !== "hash") throw new Error(`${key} is a ${type}`);
  const { opts, ...hash } = await redis.hgetall(key);
  return opts === undefined ? hash : { ...hash, opts: JSON.parse(opts) };
}
