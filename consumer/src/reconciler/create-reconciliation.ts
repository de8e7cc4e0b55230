import { createAttemptErrors } from "@toril/contract/engine/jobs/attempt/attempt-errors";
import { createDispatchGenerations } from "@toril/contract/engine/jobs/change/dispatch-generations";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { Config } from "../config.ts";
import { createRetentionMetrics } from "../maintenance/metrics.ts";
import { createRetention } from "../maintenance/retention.ts";
import type { Log } from "../observability/log.ts";
import type { ConsumerMetrics } from "../observability/metrics.ts";
import type { Stores } from "../stores/open-stores.ts";
import { openClient } from "../stores/postgres.ts";
import type { RedisCommands } from "../stores/redis-commands.ts";
import type { Settler } from "@toril/contract/engine/jobs/attempt/settle";
import { createGraphs } from "./graphs.ts";
import { createReconcileMetrics } from "./metrics.ts";
import { watchQueueSettings } from "./queue-settings.ts";
import { createReconciler } from "./reconcile.ts";
import { createRecoverStalled } from "./ended/recover-stalled.ts";
import { createRedisEpoch } from "./redis-epoch.ts";
import { createSettleEnded } from "./ended/settle-ended.ts";
import { createSettleStranded } from "./ended/settle-stranded.ts";
import { createSettleStockJobs } from "./ended/settle-stock-jobs.ts";

export interface ReconciliationDeps {
  config: Config;
  /** The job types that are defined in code. */
  code: JobTypeRegistry;
  jobTypes: JobTypeRegistry;
  stores: Stores;
  commands: RedisCommands;
  settler: Settler;
  metrics: ConsumerMetrics;
  log: Log;
}

export interface Reconciliation extends AsyncDisposable {
  start(): void;
  /** Requests another pass of the reconciler. */
  wake(reason: string): void;
  /** Returns since when Redis has lost neither data nor the connection, in Unix ms. */
  getRedisChangedAt(): number;
}

/** Creates the reconciler with its maintenance tasks, the detection of lost data and the watch over queue settings. */
export function createReconciliation(deps: ReconciliationDeps): Reconciliation {
  const { config, code, jobTypes, stores, commands, settler, metrics, log } = deps;
  const { remove } = commands;
  const redis = stores.commandRedis;
  const { prefix, databaseUrl } = config;
  const { onWaiting, ...reconcileMetrics } = createReconcileMetrics(metrics.registry);

  const resources = new AsyncDisposableStack();
  const reconciler = createReconciler({
    jobTypes,
    openLeaderClient: (connection) => openClient(databaseUrl, connection),
    redis,
    prefix,
    dispatch: commands.dispatch,
    remove,
    apply: commands.applySettings,
    settler,
    maintenanceTasks: [
      createRetention({ ...config.retain, ...createRetentionMetrics(metrics.registry), log }),
      createRecoverStalled({
        redis,
        prefix,
        getQueues: () => jobTypes.getQueues("pull"),
        stalledIntervalMs: config.worker.stalledIntervalMs,
        maxStalledCount: config.worker.maxStalledCount,
        attemptErrors: createAttemptErrors({ redis, prefix, log }),
        onStalled: metrics.onStalled,
        log,
      }),
      createGraphs({
        settler,
        dispatchGenerations: createDispatchGenerations({
          ledger: stores.backgroundLedger,
          dispatch: commands.dispatch,
          remove,
        }),
        removeFromRedis: commands.removeFromRedis,
        onWaiting,
        log,
      }),
      createSettleStockJobs({
        redis,
        prefix,
        // Registered types of other kinds have no stock workers.
        queues: () => [...new Set([...code.queues, ...jobTypes.getQueues("bullmq")])],
        endings: createSettleEnded({ redis, jobTypes, prefix, remove, settler }),
        remove,
        log,
      }),
      createSettleStranded({ remove, settler, log }),
    ],
    ...config.reconcile,
    ...reconcileMetrics,
    log,
  });
  resources.defer(() => reconciler.close());
  const epoch = createRedisEpoch({
    redis,
    prefix,
    // Redis loses all queues together, and on a Cluster those of a node.
    queues: code.queues,
    log,
    onDataLoss(reason) {
      log.warn({ reason }, "Redis may have lost jobs");
      reconciler.wake(reason);
    },
  });
  resources.defer(() => epoch.close());
  resources.use(
    watchQueueSettings({
      queues: () => jobTypes.queues,
      areMalformed: commands.areSettingsMalformed,
      restore: commands.restoreSettings,
      log,
    }),
  );
  return {
    start: () => reconciler.start(),
    wake: (reason) => reconciler.wake(reason),
    getRedisChangedAt: () => epoch.changedAt,
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
