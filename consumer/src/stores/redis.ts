import type { RedisServers } from "@toril/contract/engine/config/redis-config";
import { openRedis, type RedisOptions } from "@toril/contract/engine/redis/open-redis";
import { Cluster, type Redis } from "ioredis";
import { coalesceWrites } from "../worker/coalesce-writes.ts";

const common = {
  // After a failover, until the old master has closed its connections: reconnect and resend the command.
  reconnectOnError: (error) => (error.message.includes("READONLY") ? 2 : false),
} satisfies RedisOptions;

/** Retries commands for half a minute during a Cluster failover. */
const patient = { maxRedirections: 100, retryDelayOnFailover: 300, retryDelayOnClusterDown: 300 };

/**
 * Opens the connection of BullMQ's workers: commands wait while Redis is unavailable. 13 s without a reply mean a dead
 * connection; a blocking read takes up to 10 s.
 */
export function openWorkerRedis(
  servers: RedisServers,
  onError: (error: Error) => void,
): Redis | Cluster {
  const options = { ...common, maxRetriesPerRequest: null, socketTimeout: 13_000 };
  const redis = openRedis(servers, options, patient);
  redis.on("error", onError);
  if (redis instanceof Cluster) redis.on("+node", coalesceWrites);
  else coalesceWrites(redis);
  return redis;
}

/** Opens the connection for commands, which fail at once while Redis is unavailable, or after 2 s without a reply. */
export function openCommandRedis(
  servers: RedisServers,
  onError: (error: Error) => void,
): Redis | Cluster {
  const options = {
    ...common,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 2000,
    socketTimeout: 3000,
  };
  const redis = openRedis(servers, options, { enableOfflineQueue: false });
  redis.on("error", onError);
  return redis;
}

/** Opens the connection for Pub/Sub. Messages may be days apart, so only TCP keep-alive detects a dead connection. */
export function openListenerRedis(
  servers: RedisServers,
  onError: (error: Error) => void,
): Redis | Cluster {
  const redis = openRedis(
    servers,
    { ...common, maxRetriesPerRequest: null, keepAlive: 10_000 },
    patient,
  );
  redis.on("error", onError);
  return redis;
}

/** Calls `onChange` whenever the connection changed and Redis may have lost data. */
export function watchConnection(redis: Redis | Cluster, onChange: () => void): void {
  const ofClusters = ["+node", "-node", "node error"];
  for (const event of ["close", "ready", ...ofClusters]) redis.on(event, onChange);
}
