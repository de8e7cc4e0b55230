import type { RedisServers } from "@toril/contract/engine/config/redis-config";
import { openRedis, type RedisOptions } from "@toril/contract/engine/redis/open-redis";
import { Cluster, type Redis } from "ioredis";

const common = {
  // After a failover, until the old master has closed its connections: reconnect and resend the command.
  reconnectOnError: (error) => (error.message.includes("READONLY") ? 2 : false),
} satisfies RedisOptions;

/** Retries commands for half a minute during a Cluster failover. */
const clusterRetries = {
  maxRedirections: 100,
  retryDelayOnFailover: 300,
  retryDelayOnClusterDown: 300,
};

/**
 * Opens the connection of BullMQ's workers: commands wait while Redis is unavailable. 13 s without a reply mean a dead
 * connection; a blocking read takes up to 10 s.
 */
export function openWorkerRedis(
  servers: RedisServers,
  onError: (error: Error) => void,
): Redis | Cluster {
  const options = { ...common, maxRetriesPerRequest: null, socketTimeout: 13_000 };
  const redis = openRedis(servers, options, clusterRetries);
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
    clusterRetries,
  );
  redis.on("error", onError);
  return redis;
}

/** Calls `onChange` whenever the connection changed and Redis may have lost data. */
export function watchConnection(redis: Redis | Cluster, onChange: () => void): void {
  const clusterEvents = ["+node", "-node", "node error"];
  for (const event of ["close", "ready", ...clusterEvents]) redis.on(event, onChange);
}

/**
 * Combines all commands of one event loop turn into one system call. A worker acknowledges a settled batch of a hundred
 * jobs at once; separate writes cost a third of its time.
 */
function coalesceWrites(redis: Redis): void {
  redis.on("connect", () => {
    const { stream } = redis;
    const write = stream.write.bind(stream);
    let isCorked = false;

    function uncork() {
      isCorked = false;
      stream.uncork();
    }

    stream.write = ((...args: Parameters<typeof write>) => {
      if (!isCorked) {
        isCorked = true;
        stream.cork();
        process.nextTick(uncork);
      }
      return write(...args);
    }) as typeof stream.write;
  });
}
