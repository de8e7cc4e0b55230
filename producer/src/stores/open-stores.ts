import { toRedisServers } from "@toril/contract/engine/config/redis-config";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import { connectLedgers, type Ledgers } from "./postgres.ts";
import { createReads, type Reads } from "./reads.ts";
import { connectRedis } from "./redis.ts";

/** The producer's connections. */
export interface Stores {
  ledgers: Ledgers;
  reads: Reads;
  redis: Redis | Cluster;
}

/** Opens all connections; those to Postgres do not wait for it. */
export async function openStores(
  config: Config,
  log: Logger,
  resources: AsyncDisposableStack,
): Promise<Stores> {
  const ledgers = connectLedgers(config.DATABASE_URL, config.REQUEST_TIMEOUT_MS);
  resources.defer(() => ledgers.close());
  const redis = await connectRedis(toRedisServers(config), log, config.REQUEST_TIMEOUT_MS);
  resources.defer(() => redis.disconnect());
  return { ledgers, reads: createReads(ledgers.reading, config.REQUEST_TIMEOUT_MS), redis };
}
