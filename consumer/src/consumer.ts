import { extname } from "node:path";
import {
  createActivityLog,
  startActivityFlush,
} from "@toril/contract/engine/activity/activity-log";
import { createActivityRecorder } from "@toril/contract/engine/activity/activity-recorder";
import { createDispatchGenerations } from "@toril/contract/engine/jobs/change/dispatch-generations";
import { readChangedJobTypes } from "@toril/contract/engine/job-types/job-type-ledger";
import { openJobTypeTable } from "@toril/contract/engine/job-types/job-type-table";
import type { Logging } from "@toril/contract/engine/logging/logging";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Config } from "./config.ts";
import { createMetrics } from "./observability/metrics.ts";
import { serveStatus } from "./observability/status-server.ts";
import type { Tracing } from "./observability/tracing.ts";
import { runOperations } from "./operations/run-operations.ts";
import { createReconciliation } from "./reconciler/create-reconciliation.ts";
import type { ScheduleFile } from "./scheduler/schedule-file.ts";
import { createTicker } from "./scheduler/ticker.ts";
import { createSafePost } from "./safe-fetch/safe-post.ts";
import { openStores } from "./stores/open-stores.ts";
import { requireTables } from "./stores/postgres.ts";
import { loadRedisCommands } from "./stores/redis-commands.ts";
import { createWebhooks } from "./webhooks/create-webhooks.ts";
import { isDoneWithin, waitForAbort } from "./wait.ts";
import { createWorker } from "./worker/create-worker.ts";
import { createEnqueueChildren } from "./worker/attempt/enqueue-children.ts";
import { createChildReader } from "./worker/attempt/read-children.ts";
import type { JobTypePlugin } from "./worker/plugin.ts";
import { createSettler } from "@toril/contract/engine/jobs/attempt/settle";

export interface Consumer {
  /** Port of the status server; undefined when the status server is off. */
  statusPort: number | undefined;
  /** Replaces the schedules of the schedule file. */
  useSchedules(file: ScheduleFile): void;
  /**
   * Waits for active jobs until `deadline` is aborted, then closes all resources.
   * @returns whether every active job finished
   */
  close(deadline: AbortSignal): Promise<boolean>;
}

export interface Telemetry extends Pick<Logging, "log"> {
  shipper?: Logging["shipper"];
  tracing?: Tracing | undefined;
}

/** Deadline for closing connections: postgres.js waits longer for a lost connection. */
const closeMs = 2000;

/** Extension of the entry point beside this module: `.ts` in the source tree, that of the bundle in an image. */
const extension = extname(import.meta.url);
const sandboxHostUrl = new URL(`./sandbox-host${extension}`, import.meta.url);

/** Opens the stores, then starts the worker, the reconciler, operations and the scheduler. */
export async function openConsumer(
  config: Config,
  { log, shipper, tracing }: Telemetry,
  plugin: JobTypePlugin,
): Promise<Consumer> {
  await using opening = new AsyncDisposableStack();
  const activity = createActivityRecorder();
  const metrics = createMetrics(plugin.jobTypes, config.worker.queues, activity);
  if (shipper !== undefined) metrics.addLogShipper(shipper);
  const secretKeys = config.secretKeys && createKeyRing(config.secretKeys);

  const stores = opening.use(
    openStores(config, {
      onLedgerUnavailable: () => worker.pause(),
      onLedgerAvailable: () => worker.resume(),
      log,
    }),
  );
  const { ledger, backgroundLedger } = stores;
  const jobTypeTable = await openJobTypeTable({
    code: plugin.jobTypes,
    read: (revision) => backgroundLedger.run((sql) => readChangedJobTypes(sql, revision)),
    log,
  });
  opening.defer(() => jobTypeTable.close());
  const jobTypes = jobTypeTable.registry;
  const activityFlush = startActivityFlush(
    createActivityLog(stores.commandRedis, config.prefix),
    activity,
  );
  opening.defer(() => activityFlush.close());
  const commands = await loadRedisCommands(stores, config.prefix, log);
  const { dispatch, remove, removeFromRedis, findQuota, probe } = commands;
  const post = opening.use(
    createSafePost({
      isPrivateAllowed: () => config.isPrivateAddressAllowed,
      userAgent: "toril",
    }),
  );
  const webhooks = opening.use(
    createWebhooks({
      settings: config.webhooks,
      post,
      ledger: backgroundLedger,
      secretKeys,
      registry: metrics.registry,
      log,
    }),
  );
  const settler = createSettler({
    ledger: stores.retryingLedger,
    batch: config.batch,
    mayHaveWebhooks: webhooks.mayExist,
    onBatch(size, ms) {
      metrics.onSettleBatch(size, ms);
      webhooks.onSettled();
    },
  });

  const reconciliation = opening.use(
    createReconciliation({
      config,
      code: plugin.jobTypes,
      jobTypes,
      stores,
      commands,
      settler,
      metrics,
      log,
    }),
  );
  const children = createEnqueueChildren({
    jobTypes,
    ledger: backgroundLedger,
    dispatch,
    remove,
    removeFromRedis,
    secretKeys,
    findQuota,
    probe,
    onRedisAvailable: () => reconciliation.wake("Redis is available again"),
    log,
  });
  opening.defer(() => children.close());
  const worker = opening.use(
    await createWorker({
      config,
      plugin,
      stores,
      settler,
      secretKeys,
      admitChildren: children.admit,
      childReader: createChildReader(backgroundLedger),
      jobTypeTable,
      post,
      getRedisChangedAt: reconciliation.getRedisChangedAt,
      sandboxHostUrl,
      metrics,
      tracing,
      log,
    }),
  );
  const ticker = createTicker({
    jobTypes,
    ledger: backgroundLedger,
    dispatch: children.dispatch,
    removeWaiting: children.removeWaiting,
    removeFromRedis,
    secretKeys,
    findQuota,
    onRun: metrics.onScheduleRun,
    log,
  });
  if (config.schedules !== undefined) ticker.useFile(config.schedules);
  opening.defer(() => ticker.close());

  const status =
    config.metricsPort === 0
      ? undefined
      : opening.use(
          await serveStatus(
            {
              registry: metrics.registry,
              checks: {
                workers: () => worker.isRunning,
                redis: () => Promise.all(plugin.jobTypes.queues.map(probe)),
                postgres: () => ledger.run((sql) => sql`select 1`),
              },
            },
            { host: config.host, port: config.metricsPort },
          ),
        );

  await requireTables(ledger);
  worker.start();
  reconciliation.start();
  opening.use(
    runOperations({
      ledger: backgroundLedger,
      findQuota,
      removeFromRedis,
      dispatchGenerations: createDispatchGenerations({
        ledger: backgroundLedger,
        dispatch,
        remove,
      }),
      move: commands.move,
      onRedisUpdateFailed: () => reconciliation.wake("an operation failed to update Redis"),
      log,
    }),
  );
  ticker.start();
  webhooks.start();
  const resources = opening.move();
  return {
    statusPort: status?.port,
    useSchedules: ticker.useFile,
    async close(deadline) {
      const isClean = await worker.close(deadline);
      await Promise.race([settler.drained(), waitForAbort(deadline)]);
      await isDoneWithin(closeMs, resources.disposeAsync());
      return isClean;
    },
  };
}
