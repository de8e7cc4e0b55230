import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { takeScriptUrl } from "@toril/contract/engine/redis/scripts/take";
import { createSendHeartbeat } from "@toril/contract/engine/queues/worker-heartbeat";
import type { JobTypeTable } from "@toril/contract/engine/job-types/job-type-table";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { Config } from "../config.ts";
import type { Log } from "../observability/log.ts";
import type { ConsumerMetrics } from "../observability/metrics.ts";
import type { Tracing } from "../observability/tracing.ts";
import { createPushWorkers, type PushQueue } from "../push/push-workers.ts";
import type { SafePost } from "../safe-fetch/safe-post.ts";
import type { Stores } from "../stores/open-stores.ts";
import { watchConnection } from "../stores/redis.ts";
import { listenForAborts } from "./abort-listener.ts";
import { createActiveJobs } from "./active-jobs.ts";
import { createAttemptErrors } from "@toril/contract/engine/jobs/attempt/attempt-errors";
import { createWorkers } from "./queue-workers.ts";
import type { ContextDeps } from "./attempt/context.ts";
import { createHandlers } from "./create-handlers.ts";
import { createFirstDelivery } from "./first-delivery.ts";
import { type Heartbeat, startHeartbeat } from "./heartbeat.ts";
import { createKeyRateLimits } from "@toril/contract/engine/jobs/attempt/key-rate-limits";
import { createLedgerLookup } from "@toril/contract/engine/jobs/attempt/ledger-lookup";
import { createLostAttempts } from "@toril/contract/engine/jobs/attempt/lost-attempts";
import type { JobTypePlugin } from "./plugin.ts";
import type { Settler } from "@toril/contract/engine/jobs/attempt/settle";

export interface WorkerDeps {
  config: Config;
  plugin: JobTypePlugin;
  stores: Stores;
  settler: Settler;
  secretKeys: KeyRing | undefined;
  admitChildren: ContextDeps["admitChildren"];
  childReader: ContextDeps["childReader"];
  /** Registered types: the jobs of those with the worker `push` are sent to their endpoints. */
  jobTypeTable: JobTypeTable;
  post: SafePost;
  /** Time since which Redis has lost neither data nor the connection, in Unix ms. */
  getRedisChangedAt(): number;
  /** Module of the process that hosts a sandbox thread. */
  sandboxHostUrl: URL;
  metrics: ConsumerMetrics;
  tracing: Tracing | undefined;
  log: Log;
}

/** Takes, handles and settles the jobs of the configured queues. */
export interface JobWorker extends AsyncDisposable {
  start(): void;
  /** Starts no further jobs; active jobs finish. A job that was taken meanwhile checks the ledger before it starts. */
  pause(): void;
  resume(): void;
  readonly isRunning: boolean;
  /**
   * Waits for active jobs until `deadline` is aborted, then aborts and requeues them.
   * @returns whether every job finished
   */
  close(deadline: AbortSignal): Promise<boolean>;
}

/** Creates the worker with its handlers, sandbox, abort listener and heartbeat. */
export async function createWorker(deps: WorkerDeps): Promise<JobWorker> {
  const {
    config,
    plugin,
    stores,
    settler,
    secretKeys,
    admitChildren,
    childReader,
    getRedisChangedAt,
  } = deps;
  const { metrics, tracing, log } = deps;
  const { prefix, batch } = config;
  const { workerRedis, commandRedis, ledger, retryingLedger } = stores;
  await using opening = new AsyncDisposableStack();

  const activeJobs = createActiveJobs();
  /** Those of each push queue end apart from the others. */
  const activeGroups = new Set([activeJobs]);
  metrics.gauge("toril_jobs_active", "Active jobs of this process", () => activeJobs.size);
  opening.use(
    listenForAborts({
      redis: stores.listenerRedis,
      prefix,
      ledger,
      activeJobs: {
        abort(bullId, reason) {
          for (const group of activeGroups) group.abort(bullId, reason);
        },
        getLongRunning: () => [...activeGroups].flatMap((group) => group.getLongRunning()),
      },
      log,
    }),
  );
  const firstDelivery = createFirstDelivery(Date.now, getRedisChangedAt);
  watchConnection(workerRedis, firstDelivery.requireLedgerCheck);

  const getConcurrency = (queue: string) =>
    plugin.queues?.[queue]?.concurrency ?? config.worker.concurrency;
  const settings = {
    ...config.worker,
    getConcurrency,
    prefix,
    workerName: `${hostname()}:${process.pid}`,
    takeScript: await readFile(takeScriptUrl, "utf8"),
  };
  const processorDeps = {
    jobTypes: plugin.jobTypes,
    handlers: await createHandlers(deps, opening),
    settler,
    attemptErrors: createAttemptErrors({ redis: commandRedis, prefix, log }),
    ledgerLookup: createLedgerLookup(retryingLedger, batch),
    lostAttempts: createLostAttempts(retryingLedger, batch),
    firstDelivery,
    activeJobs,
    keyRateLimits: createKeyRateLimits({
      redis: workerRedis,
      prefix,
      rates: config.worker.keyRates,
      hash: (value) => createHash("sha256").update(value).digest("base64url"),
    }),
    secretKeys,
    admitChildren,
    childReader,
    metrics: metrics.meter,
    tracing,
    onStalled: metrics.onStalled,
    onWorkerError: metrics.onWorkerError,
    log,
  };
  const workers = createWorkers(workerRedis, settings, processorDeps);
  opening.defer(async () => void (await workers.close(AbortSignal.abort())));

  function createQueueWorker({ queue, concurrency, ratePerSecond, ...types }: PushQueue) {
    const group = createActiveJobs();
    activeGroups.add(group);
    const limiter =
      ratePerSecond === undefined ? undefined : { max: ratePerSecond, duration: 1000 };
    const queueWorker = createWorkers(
      workerRedis,
      { ...settings, queues: [queue], getConcurrency: () => concurrency, limiter },
      { ...processorDeps, ...types, activeJobs: group },
    );
    let heartbeat: Heartbeat | undefined;
    return {
      ...queueWorker,
      start() {
        queueWorker.start();
        heartbeat = startHeartbeat({
          send: createSendHeartbeat(commandRedis, prefix),
          queues: [queue],
          getConcurrency: () => concurrency,
          countActive: group.countInQueue,
        });
      },
      async close(deadline: AbortSignal) {
        const isClean = await queueWorker.close(deadline);
        activeGroups.delete(group);
        await heartbeat?.close();
        return isClean;
      },
    };
  }
  const push = createPushWorkers({
    table: deps.jobTypeTable,
    ledger: stores.backgroundLedger,
    post: deps.post,
    secretKeys,
    createQueueWorker,
    log,
  });
  opening.defer(async () => void (await push.close(AbortSignal.abort())));

  const resources = opening.move();
  return {
    start() {
      workers.start();
      push.start();
      const heartbeat = startHeartbeat({
        send: createSendHeartbeat(commandRedis, prefix),
        queues: config.worker.queues,
        getConcurrency,
        countActive: activeJobs.countInQueue,
      });
      resources.defer(() => heartbeat.close());
    },
    pause() {
      workers.pause();
      push.pause();
      firstDelivery.requireLedgerCheck();
    },
    resume() {
      workers.resume();
      push.resume();
    },
    get isRunning() {
      return workers.isRunning;
    },
    async close(deadline) {
      const isClean = await Promise.all([workers.close(deadline), push.close(deadline)]);
      return isClean.every(Boolean);
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
