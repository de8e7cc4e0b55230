import {
  Cluster,
  type ClusterOptions,
  Redis,
  type RedisOptions as AnyRedisOptions,
  SentinelConnector,
} from "ioredis";
import type { RedisServers } from "../config/redis-config.ts";

export type RedisOptions = Omit<AnyRedisOptions, "replyMapping">;
type SingleServers = Exclude<RedisServers, { kind: "cluster" }>;

export const connectTimeoutMs = 2000;

const reconnectDelay = (times: number) => Math.min(50 * times, 1000);

/**
 * Stops failover detection while the connector asks the Sentinels for the master: a failover message at that time would
 * end the connection for good, and the connector learns the new master anyway.
 */
class SteadyConnector extends SentinelConnector {
  override connect(...parameters: Parameters<SentinelConnector["connect"]>) {
    this["failoverDetector"]?.cleanup();
    return super.connect(...parameters);
  }
}

const common: RedisOptions = {
  connectTimeout: connectTimeoutMs,
  retryStrategy: reconnectDelay,
};

const sentinelOptions = {
  Connector: SteadyConnector as RedisOptions["Connector"],
  sentinelRetryStrategy: reconnectDelay,
  sentinelCommandTimeout: 2000,
  // A hung master never closes its connections.
  failoverDetector: true,
};

/** Opens a client for any of the three deployments. The client reconnects without end, after 1 s at most. */
export function openRedis(servers: SingleServers, options: RedisOptions): Redis;
export function openRedis(
  servers: RedisServers,
  options: RedisOptions,
  clusterOptions?: ClusterOptions,
): Redis | Cluster;
export function openRedis(
  servers: RedisServers,
  options: RedisOptions,
  clusterOptions: ClusterOptions = {},
): Redis | Cluster {
  if (servers.kind === "cluster") {
    return new Cluster(servers.nodes, {
      ...clusterOptions,
      clusterRetryStrategy: reconnectDelay,
      redisOptions: { ...common, ...options, ...servers.options },
    });
  }
  return servers.kind === "sentinel"
    ? new Redis({ ...common, ...options, ...sentinelOptions, ...servers.options })
    : new Redis(servers.url, { ...common, ...options, ...servers.options });
}
