import type { RedisServers } from "@toril/contract/engine/config/redis-config";
import {
  Cluster,
  type ClusterOptions,
  Redis,
  type RedisOptions as AnyRedisOptions,
  SentinelConnector,
} from "ioredis";
import { coalesceWrites } from "../worker/coalesce-writes.ts";

type RedisOptions = Omit<AnyRedisOptions, "replyMapping">;

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

const common = {
  connectTimeout: 2000,
  retryStrategy: backOff,
  // After a fail-over, until the old master has closed its connections: connect anew, and send the command again.
  reconnectOnError: (error) => (error.message.includes("READONLY") ? 2 : false),
} satisfies RedisOptions;

/** While a Cluster fails over, commands are tried anew for half a minute. */
const patient = { maxRedirections: 100, retryDelayOnFailover: 300, retryDelayOnClusterDown: 300 };

/**
 * For BullMQ's workers: commands wait for as long as Redis is away, and no reply in 13 s means that the connection is
 * dead. Longer than the 10 s of a blocking read, so that an idle one is not.
 */
export function openWorkerRedis(
  servers: RedisServers,
  onError: (error: Error) => void,
): Redis | Cluster {
  const options = { ...common, maxRetriesPerRequest: null, socketTimeout: 13_000 };
  const redis = open(servers, options, patient);
  redis.on("error", onError);
  if (redis instanceof Cluster) redis.on("+node", coalesceWrites);
  else coalesceWrites(redis);
  return redis;
}

/** For everything else: a command fails at once while Redis is away, and after 2 s when it does not answer. */
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
  const redis = open(servers, options, { enableOfflineQueue: false });
  redis.on("error", onError);
  return redis;
}

/** For messages, which may not come for days: that it hangs is found out by TCP alone. */
export function openListenerRedis(
  servers: RedisServers,
  onError: (error: Error) => void,
): Redis | Cluster {
  const redis = open(
    servers,
    { ...common, maxRetriesPerRequest: null, keepAlive: 10_000 },
    patient,
  );
  redis.on("error", onError);
  return redis;
}

/** Calls back whenever what Redis holds may have changed behind our back. */
export function watchConnection(redis: Redis | Cluster, onChange: () => void): void {
  const ofClusters = ["+node", "-node", "node error"];
  for (const event of ["close", "ready", ...ofClusters]) redis.on(event, onChange);
}

function open(
  servers: RedisServers,
  options: RedisOptions,
  ofCluster: ClusterOptions,
): Redis | Cluster {
  if (servers.kind === "cluster") {
    return new Cluster(servers.nodes, {
      ...ofCluster,
      clusterRetryStrategy: backOff,
      redisOptions: { ...options, ...servers.options },
    });
  }
  return servers.kind === "sentinel"
    ? new Redis({ ...options, ...sentinelTries, ...servers.options })
    : new Redis(servers.url, { ...options, ...servers.options });
}
