import { readFile } from "node:fs/promises";
import { availableParallelism, hostname } from "node:os";
import { extname } from "node:path";
import { createDispatchGenerations } from "@toril/contract/engine/jobs/change/dispatch-generations";
import { createRemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import { createMove, moveScriptUrl } from "@toril/contract/engine/redis/move";
import { epochKey } from "@toril/contract/engine/redis/names";
import {
  createDispatch,
  createRestoringDispatch,
  dispatchScriptUrl,
} from "@toril/contract/engine/redis/dispatch";
import {
  createApplySettings,
  createAreMalformed,
  settingsScriptUrl,
} from "@toril/contract/engine/redis/queue-settings";
import { createRemove, removeScriptUrl } from "@toril/contract/engine/redis/remove";
import { takeScriptUrl } from "@toril/contract/engine/redis/take";
import { createSendBeat } from "@toril/contract/engine/redis/worker-beat";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { countWaiting } from "@toril/contract/engine/postgres/count-waiting";
import { enforceQueueSettings } from "@toril/contract/engine/queues/settings-ledger";
import type { Logging } from "@toril/contract/engine/logging/logging";
import { createLease, leaseScriptUrl } from "@toril/contract/engine/quotas/lease";
import { createFindQuota } from "@toril/contract/engine/quotas/quotas";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { waitForAbort, isDoneWithin } from "./wait.ts";
import { createActiveJobs } from "./worker/active-jobs.ts";
import type { Config } from "./config.ts";
import { createWorkers } from "./worker/consume.ts";
import { createEnqueueChildren } from "./worker/enqueue-children.ts";
import { createAttemptErrors } from "./worker/attempt-errors.ts";
import { createLedgerLookup } from "./worker/ledger-lookup.ts";
import { createFirstDelivery } from "./worker/first-delivery.ts";
import { type HandlerMap, requireHandlers } from "./worker/handler.ts";
import { listenForAborts } from "./worker/abort-listener.ts";
import { startHeartbeat } from "./worker/heartbeat.ts";
import { createKeyRateLimits } from "./worker/key-rate-limits.ts";
import { createLostAttempts } from "./worker/lost-attempts.ts";
import { watchQueueSettings } from "./reconciler/queue-settings.ts";
import { createThrottledLog } from "./observability/throttled-log.ts";
import { createMetrics } from "./observability/metrics.ts";
import { runOperations } from "./operations/run-operations.ts";
import { createRetryingLedger, type RetryingLedger } from "./stores/retrying-ledger.ts";
import { openBackgroundLedger, openClient, openLedger, requireTables } from "./stores/postgres.ts";
import { createReconciler } from "./reconciler/reconcile.ts";
import { createEndings } from "./reconciler/settle-ended.ts";
import { createReconcileMetrics } from "./reconciler/metrics.ts";
import { createSettleFinished } from "./reconciler/settle-finished.ts";
import { createReadRows } from "./sandbox/read-rows.ts";
import {
  openCommandRedis,
  openListenerRedis,
  openWorkerRedis,
  watchConnection,
} from "./stores/redis.ts";
import type { ScheduleFile } from "./scheduler/apply-file.ts";
import { createTicker } from "./scheduler/ticker.ts";
import { createRedisEpoch } from "./reconciler/redis-epoch.ts";
import { createRetention } from "./maintenance/retention.ts";
import { createRetentionMetrics } from "./maintenance/metrics.ts";
import { createSandbox } from "./sandbox/sandbox.ts";
import type { SandboxedHandlerMap } from "./sandbox/sandboxed-handler.ts";
import type { BatchSize } from "./worker/batch.ts";
import { createSettler } from "./worker/settle.ts";
import { serveStatus } from "./observability/status-server.ts";
import type { Tracing } from "./observability/tracing.ts";

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

/** What a consumer offers to handlers when they are created. */
export interface HandlerServices {
  /** Waits for Postgres without a limit. */
  ledger: RetryingLedger;
  batch: BatchSize;
  /** Resources of handlers, which are closed with the consumer, after the last attempt. */
  resources: Pick<AsyncDisposableStack, "use">;
}

/** The job types of a consumer and their handlers. */
export interface JobTypePlugin {
  jobTypes: JobTypeRegistry;
  createHandlers(services: HandlerServices): HandlerMap;
  /** Required if a job type is sandboxed. */
  sandbox?: {
    handlers: SandboxedHandlerMap;
    /** Module that serves the handlers in a thread. */
    threadUrl: URL;
  };
}

export interface Telemetry extends Pick<Logging, "log"> {
  shipper?: Logging["shipper"];
  tracing?: Tracing | undefined;
}

const errorPeriodMs = 10_000;
/** Deadline for closing connections: postgres.js waits longer for a lost connection. */
const closeMs = 2000;

/** Extension of the entry point beside this module: `.ts` in the source tree, that of the bundle in an image. */
const extension = extname(import.meta.url);
const sandboxHostUrl = new URL(`./sandbox-host${extension}`, import.meta.url);

export async function openConsumer(
  config: Config,
  { log, shipper, tracing }: Telemetry,
  { jobTypes, createHandlers, sandbox: sandboxed }: JobTypePlugin,
): Promise<Consumer> {
  await using opening = new AsyncDisposableStack();
  const script = await readFile(dispatchScriptUrl, "utf8");
  const metrics = createMetrics(jobTypes, config.worker.queues);
  if (shipper !== undefined) metrics.addLogShipper(shipper);
  const activeJobs = createActiveJobs();
  metrics.gauge("toril_jobs_active", "Jobs that run in this process", () => activeJobs.size);
  const secretKeys = config.secretKeys && createKeyRing(config.secretKeys);

  const ledger = openLedger(config.databaseUrl);
  opening.defer(() => ledger.close());
  const background = openBackgroundLedger(config.databaseUrl);
  opening.defer(() => background.close());
  const patient = createRetryingLedger({
    ledger,
    onUnavailable(error) {
      log.error({ err: error }, "Postgres is away: no further job starts");
      workers.pause();
      // A waiting worker may still receive one job: this call makes that job check the ledger first.
      firstDelivery.requireLedgerCheck();
    },
    onAvailable() {
      log.info("Postgres is back");
      workers.resume();
    },
  });
  opening.defer(() => patient.stop());

  const logRedisError = createThrottledLog(
    (error, repeated) => log.error({ err: error, repeated }, "Redis connection error"),
    { periodMs: errorPeriodMs, now: () => performance.now() },
  );
  const workerRedis = openWorkerRedis(config.redis, logRedisError);
  opening.defer(() => workerRedis.disconnect());
  const commandRedis = openCommandRedis(config.redis, logRedisError);
  opening.defer(() => commandRedis.disconnect());

  const listenerRedis = openListenerRedis(config.redis, logRedisError);
  opening.defer(() => listenerRedis.disconnect());
  opening.use(
    listenForAborts({ redis: listenerRedis, prefix: config.prefix, ledger, activeJobs, log }),
  );

  const epoch = createRedisEpoch({
    redis: commandRedis,
    prefix: config.prefix,
    queues: jobTypes.queues,
    log,
    onDataLoss(reason) {
      log.warn({ reason }, "Redis may have lost jobs");
      reconciler.wake(reason);
    },
  });
  opening.defer(() => epoch.close());
  const firstDelivery = createFirstDelivery(Date.now, () => epoch.changedAt);
  watchConnection(workerRedis, firstDelivery.requireLedgerCheck);

  const askQueue = (queue: string) => commandRedis.exists(epochKey(config.prefix, queue));
  const askRedis = () => Promise.all(jobTypes.queues.map(askQueue));
  const settingsScript = {
    prefix: config.prefix,
    script: await readFile(settingsScriptUrl, "utf8"),
  };
  const applySettings = createApplySettings(commandRedis, settingsScript);
  const restoreSettings = (queue: string) =>
    background.run((sql) => enforceQueueSettings(sql, queue, applySettings));
  opening.use(
    watchQueueSettings({
      queues: jobTypes.queues,
      areMalformed: createAreMalformed(commandRedis, settingsScript),
      restore: restoreSettings,
      log,
    }),
  );
  const place = createRestoringDispatch(
    createDispatch(commandRedis, { prefix: config.prefix, script }),
    restoreSettings,
  );
  const remove = createRemove(commandRedis, {
    prefix: config.prefix,
    script: await readFile(removeScriptUrl, "utf8"),
  });
  const withdraw = createRemoveFromRedis({
    remove,
    publish: (channel, message) => commandRedis.publish(channel, message),
    prefix: config.prefix,
  });
  const findQuota = createFindQuota({
    prefix: config.prefix,
    lease: createLease({
      redis: commandRedis,
      script: await readFile(leaseScriptUrl, "utf8"),
      now: () => performance.now(),
      onChange: (isAway, error) =>
        isAway
          ? log.warn({ err: error }, "quotas cannot be shared: this consumer keeps them alone")
          : log.info("quotas are shared again"),
    }),
    countWaiting: (quotaKey, limit, exceptType) =>
      ledger.run((sql) => countWaiting(sql, quotaKey, limit, exceptType)),
  });
  const children = createEnqueueChildren({
    jobTypes,
    ledger: background,
    dispatch: place,
    remove,
    removeFromRedis: withdraw,
    secretKeys,
    findQuota,
    probe: askQueue,
    onRedisAvailable: () => reconciler.wake("placing works again"),
    log,
  });
  opening.defer(() => children.close());

  const sandboxedTypes = jobTypes.types.flatMap(({ type, sandbox: limits }) =>
    limits === undefined ? [] : [{ type, limits }],
  );
  if (sandboxed) requireHandlers(sandboxedTypes, new Map(Object.entries(sandboxed.handlers)));
  const sandbox =
    sandboxed &&
    opening.use(
      createSandbox({
        types: sandboxedTypes,
        urls: { host: sandboxHostUrl, thread: sandboxed.threadUrl },
        threads: config.sandboxThreads ?? Math.max(1, availableParallelism() - 1),
        capabilities: { readRows: createReadRows(patient) },
      }),
    );
  metrics.gauge(
    "toril_sandbox_running",
    "Heavy jobs that are computed",
    () => sandbox?.running ?? 0,
  );
  metrics.gauge(
    "toril_sandbox_waiting",
    "Heavy jobs that wait for a thread",
    () => sandbox?.waiting ?? 0,
  );

  const shared = { ledger: patient, batch: config.batch };
  const settler = createSettler({ ...shared, onBatch: metrics.onSettleBatch });
  const own = createHandlers({ ...shared, resources: opening });
  const handlers = new Map([...(sandbox?.handlers ?? []), ...own]);
  requireHandlers(jobTypes.types, handlers);
  const workers = createWorkers(
    workerRedis,
    {
      ...config.worker,
      prefix: config.prefix,
      takeScript: await readFile(takeScriptUrl, "utf8"),
    },
    {
      jobTypes,
      handlers,
      settler,
      workerName: `${hostname()}:${process.pid}`,
      attemptErrors: createAttemptErrors({ redis: commandRedis, prefix: config.prefix, log }),
      ledgerLookup: createLedgerLookup(patient, config.batch),
      lostAttempts: createLostAttempts(patient, config.batch),
      firstDelivery,
      activeJobs,
      keyRateLimits: createKeyRateLimits({
        redis: workerRedis,
        prefix: config.prefix,
        rates: config.worker.keyRates,
      }),
      secretKeys,
      admitChildren: children.admit,
      metrics: metrics.meter,
      tracing,
      onStalled: metrics.onStalled,
      onWorkerError: metrics.onWorkerError,
      log,
    },
  );

  opening.defer(async () => void (await workers.close(AbortSignal.abort())));

  const reconciler = createReconciler({
    jobTypes,
    openLeaderClient: (connection) => openClient(config.databaseUrl, connection),
    redis: commandRedis,
    prefix: config.prefix,
    place,
    remove,
    apply: applySettings,
    settler,
    maintenanceTasks: [
      createRetention({ ...config.retain, ...createRetentionMetrics(metrics.registry), log }),
      createSettleFinished({
        redis: commandRedis,
        prefix: config.prefix,
        queues: jobTypes.queues,
        endings: createEndings({
          redis: commandRedis,
          jobTypes,
          prefix: config.prefix,
          remove,
          settler,
        }),
        remove,
        log,
      }),
    ],
    ...config.reconcile,
    ...createReconcileMetrics(metrics.registry),
    log,
  });
  opening.defer(() => reconciler.close());

  const ticker = createTicker({
    jobTypes,
    ledger: background,
    dispatch: children.dispatch,
    takeBack: children.takeBack,
    withdraw,
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
                workers: () => workers.isRunning,
                redis: askRedis,
                postgres: () => ledger.run((sql) => sql`select 1`),
              },
            },
            { host: config.host, port: config.metricsPort },
          ),
        );

  await requireTables(ledger);
  workers.start();
  const heartbeat = startHeartbeat({
    send: createSendBeat(commandRedis, config.prefix),
    queues: config.worker.queues,
    concurrency: config.worker.concurrency,
    countActive: activeJobs.countInQueue,
  });
  opening.defer(() => heartbeat.close());
  reconciler.start();
  opening.use(
    runOperations({
      ledger: background,
      findQuota,
      removeFromRedis: withdraw,
      dispatchGenerations: createDispatchGenerations({
        ledger: background,
        dispatch: place,
        remove,
      }),
      move: createMove(commandRedis, {
        prefix: config.prefix,
        script: await readFile(moveScriptUrl, "utf8"),
      }),
      onRedisUpdateFailed: () => reconciler.wake("an operation left jobs behind"),
      log,
    }),
  );
  ticker.start();
  const resources = opening.move();
  return {
    statusPort: status?.port,
    useSchedules: ticker.useFile,
    async close(deadline) {
      const isClean = await workers.close(deadline);
      await Promise.race([settler.drained(), waitForAbort(deadline)]);
      await isDoneWithin(closeMs, resources.disposeAsync());
      return isClean;
    },
  };
}
