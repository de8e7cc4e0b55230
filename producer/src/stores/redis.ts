import { setTimeout as wait } from "node:timers/promises";
import type { RedisServers } from "@toril/contract/engine/config/redis-config";
import { Cluster, Redis, type RedisOptions as AnyRedisOptions, SentinelConnector } from "ioredis";
import type { Logger } from "pino";

/** What a command may take that waits for something new. */
export const blockMs = 2000;

type SingleServers = Exclude<RedisServers, { kind: "cluster" }>;
type RedisOptions = Omit<AnyRedisOptions, "replyMapping">;

const connectMs = 2000;
const backOff = (times: number) => Math.min(50 * times, 1000);

/**
 * While Sentinels are asked for the master, the word of a fail-over would end the connection for good. Who is asking needs
 * no word of it.
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
  // A master that hangs closes no connection.
  failoverDetector: true,
};

/**
 * A connection that fails fast: nothing waits for a Redis that is away, and a half-open socket is found within seconds.
 * A command that timed out may still run later: whatever is sent here must bear that. Resolves when it is connected,
 * when the first try has failed, or after 2 s.
 * @param answerMs the deadline of an answer, of which a command may take a part
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
    // After a fail-over, until the old master has closed its connections.
    reconnectOnError: (error) => error.message.includes("READONLY"),
  });
  const firstError = new Promise<void>((resolve) => redis.once("error", () => resolve()));
  redis.on("error", (error: Error) => log.debug({ err: error }, "redis connection"));
  redis.on("ready", () => log.info("redis connected"));
  // Sentinels, and a Cluster that is down, are asked again and again, without an end.
  const giveUp = new AbortController();
  const patience = wait(connectMs, undefined, { signal: giveUp.signal }).catch(() => {});
  await Promise.race([redis.connect().catch(() => {}), firstError, patience]);
  giveUp.abort();
  return redis;
}

/**
 * A connection for one blocking read after the other. Undefined for a Cluster, where one read cannot wait for the
 * streams of several slots.
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
