import { type TracingChannel, tracingChannel } from "node:diagnostics_channel";
import { setTimeout as wait } from "node:timers/promises";
import type { RedisServers } from "@toril/contract/engine/config/redis-config";
import { connectTimeoutMs, openRedis } from "@toril/contract/engine/redis/open-redis";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";

/**
 * Adds `hasSubscribers`, which Bun's tracing channels lack: without it, ioredis copies the arguments of every command for
 * subscribers that do not exist.
 */
function completeTracingChannel() {
  const prototype = Object.getPrototypeOf(tracingChannel("toril")) as TracingChannel;
  if ("hasSubscribers" in prototype) return;
  Object.defineProperty(prototype, "hasSubscribers", {
    get(this: TracingChannel) {
      const { start, end, asyncStart, asyncEnd, error } = this;
      return [start, end, asyncStart, asyncEnd, error].some((channel) => channel.hasSubscribers);
    },
  });
}

/** Maximum duration of a blocking read. */
export const blockMs = 2000;

/**
 * Connects to Redis and fails fast: no command waits while Redis is unavailable, and a half-open socket is detected
 * within seconds. A command that timed out may still run later, so every command must tolerate that. Resolves when
 * connected, after the first failure, or after 2 s.
 * @param timeoutMs the response deadline, of which a command may take a part
 */
export async function connectRedis(
  servers: RedisServers,
  log: Logger,
  timeoutMs: number,
): Promise<Redis | Cluster> {
  completeTracingChannel();
  const failFast = { lazyConnect: true, enableOfflineQueue: false };
  const options = {
    ...failFast,
    maxRetriesPerRequest: 0,
    commandTimeout: Math.min(2000, Math.floor(timeoutMs * 0.4)),
    socketTimeout: 3000,
    keepAlive: 10_000,
    // After a failover, until the old master has closed its connections.
    reconnectOnError: (error: Error) => error.message.includes("READONLY"),
  };
  const redis = openRedis(servers, options, failFast);
  const firstError = new Promise<void>((resolve) => redis.once("error", () => resolve()));
  redis.on("error", (error: Error) => log.debug({ err: error }, "Redis connection error"));
  redis.on("ready", () => log.info("connected to Redis"));
  // Sentinels, and a Cluster that is down, are retried without end.
  const connected = new AbortController();
  // `connected` ends the wait, which then rejects. A connection that fails is retried, and logged above.
  const timeout = wait(connectTimeoutMs, undefined, { signal: connected.signal }).catch(() => {});
  await Promise.race([redis.connect().catch(() => {}), firstError, timeout]);
  connected.abort();
  return redis;
}

/**
 * Opens a connection for consecutive blocking reads. Undefined for a Cluster, where one read cannot block on streams in
 * several slots.
 */
export function openBlockingRedis(servers: RedisServers): Redis | undefined {
  if (servers.kind === "cluster") return undefined;
  const redis = openRedis(servers, {
    enableOfflineQueue: true,
    maxRetriesPerRequest: 0,
    commandTimeout: blockMs + 3000,
    socketTimeout: blockMs + 3000,
  });
  redis.on("error", () => {});
  return redis;
}
