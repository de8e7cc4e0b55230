import { Redis, type RedisOptions } from "ioredis";
import { coalesceWrites } from "./coalesce-writes.ts";

const common = {
  connectTimeout: 2000,
  retryStrategy: (times: number) => Math.min(50 * times, 1000),
} satisfies RedisOptions;

/**
 * For BullMQ's workers: commands wait for as long as Redis is away, and no reply in 13 s means that the connection is
 * dead. Longer than the 10 s of a blocking read, so that an idle one is not.
 */
export function openWorkerRedis(url: string, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, { ...common, maxRetriesPerRequest: null, socketTimeout: 13_000 });
  redis.on("error", onError);
  coalesceWrites(redis);
  return redis;
}

/** For everything else: a command fails at once while Redis is away, and after 2 s when it does not answer. */
export function openCommandRedis(url: string, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, {
    ...common,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 2000,
    socketTimeout: 3000,
  });
  redis.on("error", onError);
  return redis;
}
