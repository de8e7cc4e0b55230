import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { Cluster, Redis } from "ioredis";
import type { Config } from "../config.ts";
import type { Log } from "../observability/log.ts";
import { createThrottledLog } from "../observability/throttled-log.ts";
import { openBackgroundLedger, openLedger } from "./postgres.ts";
import { openCommandRedis, openListenerRedis, openWorkerRedis } from "./redis.ts";
import { createRetryingLedger, type RetryingLedger } from "./retrying-ledger.ts";

/** The consumer's connections. */
export interface Stores extends AsyncDisposable {
  /** For statements on behalf of active jobs. */
  ledger: Ledger;
  /** `ledger`, waiting for Postgres without a limit. */
  retryingLedger: RetryingLedger;
  /** For the scheduler, operations and handlers that enqueue jobs. */
  backgroundLedger: Ledger;
  /** Commands wait while Redis is unavailable. */
  workerRedis: Redis | Cluster;
  /** Commands fail at once while Redis is unavailable. */
  commandRedis: Redis | Cluster;
  /** For Pub/Sub. */
  listenerRedis: Redis | Cluster;
}

export interface StoresDeps {
  /** Called when Postgres becomes unavailable. */
  onLedgerUnavailable(): void;
  onLedgerAvailable(): void;
  log: Log;
}

const errorPeriodMs = 10_000;

/** Opens all connections; none of them waits for its store. */
export function openStores(
  { databaseUrl, redis }: Pick<Config, "databaseUrl" | "redis">,
  { onLedgerUnavailable, onLedgerAvailable, log }: StoresDeps,
): Stores {
  const resources = new AsyncDisposableStack();
  const ledger = openLedger(databaseUrl);
  resources.defer(() => ledger.close());
  const backgroundLedger = openBackgroundLedger(databaseUrl);
  resources.defer(() => backgroundLedger.close());
  const retryingLedger = createRetryingLedger({
    ledger,
    onUnavailable(error) {
      log.error({ err: error }, "Postgres is unavailable: no further job starts");
      onLedgerUnavailable();
    },
    onAvailable() {
      log.info("Postgres is available again");
      onLedgerAvailable();
    },
  });
  resources.defer(() => retryingLedger.stop());

  const logRedisError = createThrottledLog(
    (error, repeated) => log.error({ err: error, repeated }, "Redis connection error"),
    { periodMs: errorPeriodMs, now: () => performance.now() },
  );
  const workerRedis = openWorkerRedis(redis, logRedisError);
  resources.defer(() => workerRedis.disconnect());
  const commandRedis = openCommandRedis(redis, logRedisError);
  resources.defer(() => commandRedis.disconnect());
  const listenerRedis = openListenerRedis(redis, logRedisError);
  resources.defer(() => listenerRedis.disconnect());
  return {
    ledger,
    retryingLedger,
    backgroundLedger,
    workerRedis,
    commandRedis,
    listenerRedis,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
