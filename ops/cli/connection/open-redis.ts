import { readFileSync } from "node:fs";
import { type Env, loadEnv, RedisConfig } from "@toril/contract/engine/config/config";
import { toRedisServers } from "@toril/contract/engine/config/redis-config";
import { openRedis } from "@toril/contract/engine/redis/open-redis";
import { withRunningStack } from "../ledger.ts";

/**
 * Opens a client of the Redis that `REDIS_URL` names, otherwise of the `npm start` that runs in the folder. The client fails
 * at once instead of reconnecting. Throws ConfigError without an address.
 */
export function openStoreRedis(env: Env, directory: string) {
  const config = loadEnv(RedisConfig, withRunningStack(env, directory), (path) =>
    readFileSync(path, "utf8"),
  );
  const redis = openRedis(toRedisServers(config), {
    maxRetriesPerRequest: 0,
    commandTimeout: 5000,
    retryStrategy: () => null,
    lazyConnect: true,
    connectionName: "toril",
  });
  // The failing command reports the error.
  redis.on("error", () => {});
  return { redis, prefix: config.BULL_PREFIX };
}
