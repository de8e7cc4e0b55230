import { setTimeout as wait } from "node:timers/promises";
import type { RedisServers } from "@toril/contract/engine/config/redis-config";
import { Cluster, Redis, type RedisOptions as AnyRedisOptions, SentinelConnector } from "ioredis";
import type { Logger } from "pino";

/** Maximum duration of a blocking read. */
export const blockMs = 2000;

type SingleServers = Exclude<RedisServers, { kind: "cluster" }>;
type RedisOptions = Omit<AnyRedisOptions, "replyMapping">;

const connectMs = 2000;
const backOff = (times: number) => Math.min(50 * times, 1000);

/**
 * Stops failover detection while the connector asks Sentinels for the master: a failover message at that time would end
 * the connection for good, and the connector learns the new master anyway.
 */
class SteadyConnector extends SentinelConnector {
  override connect(...given: Parameters<SentinelConnector["connect"]>) {
    this["failoverDetector"]?.cleanup();
    return super.connect(...given);
  }
}

const sentinelTries = {
  Connector: SteadyConnector as RedisOptions["Connector"],
  sentinelRetryStrategy: backOff,
  sentinelCommandTimeout: 2000,
  // A hung master never closes its connections.
  failoverDetector: true,
};

/**
 * Connects to Redis and fails fast: no command waits while Redis is unavailable, and a half-open socket is detected
 * within seconds. A command that timed out may still run later, so every command must tolerate that. Resolves when
 * connected, after the first failure, or after 2 s.
 * @param answerMs the response deadline, of which a command may take a part
 */
export async function connectRedis(
  servers: RedisServers,
  log: Logger,
  answerMs: number,
): Promise<Redis | Cluster> {
  const redis = openRedis(servers, {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: Math.min(2000, Math.floor(answerMs * 0.4)),
    socketTimeout: 3000,
    connectTimeout: connectMs,
    keepAlive: 10_000,
    retryStrategy: backOff,
    // After a failover, until the old master has closed its connections.
    reconnectOnError: (error) => error.message.includes("READONLY"),
  });
  const firstError = new Promise<void>((resolve) => redis.once("error", () => resolve()));
  redis.on("error", (error: Error) => log.debug({ err: error }, "redis connection"));
  redis.on("ready", () => log.info("redis connected"));
  // Sentinels, and a Cluster that is down, are retried without end.
  const giveUp = new AbortController();
  const patience = wait(connectMs, undefined, { signal: giveUp.signal }).catch(() => {});
  await Promise.race([redis.connect().catch(() => {}), firstError, patience]);
  giveUp.abort();
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
    connectTimeout: connectMs,
    retryStrategy: backOff,
  });
  redis.on("error", () => {});
  return redis;
}

function openRedis(servers: SingleServers, options: RedisOptions): Redis;
function openRedis(servers: RedisServers, options: RedisOptions): Redis | Cluster;
function openRedis(servers: RedisServers, options: RedisOptions): Redis | Cluster {
  if (servers.kind === "cluster") {
    return new Cluster(servers.nodes, {
      lazyConnect: true,
      enableOfflineQueue: false,
      clusterRetryStrategy: backOff,
      redisOptions: { ...options, ...servers.options },
    });
  }
  return servers.kind === "sentinel"
    ? new Redis({ ...options, ...sentinelTries, ...servers.options })
    : new Redis(servers.url, { ...options, ...servers.options });
}
