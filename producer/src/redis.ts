import { Redis } from "ioredis";
import type { Logger } from "pino";

/**
 * A connection that fails fast: nothing waits for a Redis that is away, and a half-open socket is found within seconds.
 * A command that timed out may still run later: whatever is sent here must bear that. Resolves when it is connected,
 * or when the first try has failed.
 * @param answerMs the deadline of an answer, of which a command may take a part
 */
export async function connectRedis(url: string, log: Logger, answerMs: number): Promise<Redis> {
  const redis = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: Math.min(2000, Math.floor(answerMs * 0.4)),
    socketTimeout: 3000,
    connectTimeout: 2000,
    keepAlive: 10_000,
    retryStrategy: (times) => Math.min(50 * times, 1000),
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
  });
  redis.on("error", (error) => log.debug({ err: error }, "redis connection"));
  redis.on("ready", () => log.info("redis connected"));
  await redis.connect().catch(() => {});
  return redis;
}
