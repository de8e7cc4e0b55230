import { readFileSync } from "node:fs";
import { createApi } from "@toril/contract/api/http/index";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { readChangedJobTypes } from "@toril/contract/engine/job-types/job-type-ledger";
import { openJobTypeTable } from "@toril/contract/engine/job-types/job-type-table";
import { toRedisServers } from "@toril/contract/engine/config/redis-config";
import type { Logging } from "@toril/contract/engine/logging/logging";
import { readLiveStates } from "@toril/contract/engine/redis/live-state";
import { createActivityRecorder } from "@toril/contract/engine/activity/activity-recorder";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import { openAuth } from "./auth/auth.ts";
import { toOidcSettings } from "./auth/oidc/config.ts";
import type { Config } from "./config.ts";
import { createEvents } from "./events/events.ts";
import { createIdempotency } from "./idempotency/idempotency.ts";
import { createImports } from "./imports/imports.ts";
import { createDispatching } from "./jobs/dispatching.ts";
import { createJobsSubject } from "./jobs/jobs.ts";
import { createMetrics } from "./observability/metrics.ts";
import type { Tracing } from "./observability/tracing.ts";
import { createOperationLedger } from "./operations/operation-ledger.ts";
import { toPrometheusSettings } from "./overview/history/config.ts";
import { createOverview } from "./overview/overview.ts";
import { createDashboard } from "./pages/dashboard.ts";
import type { DrainDeps } from "./queues/drain-queue.ts";
import { addQueueMetrics } from "./queues/queue-metrics.ts";
import { createFindCallbacks } from "./webhooks/find-callbacks.ts";
import { createQueues } from "./queues/queues.ts";
import { createWorker } from "./worker/worker.ts";
import { openStores } from "./stores/open-stores.ts";
import { openBlockingRedis } from "./stores/redis.ts";

export interface Telemetry extends Pick<Logging, "log"> {
  shipper?: Logging["shipper"];
  tracing?: Tracing | undefined;
}

/** Short, so that reads from a Postgres that hangs are retried soon. */
const readTypesMs = 1500;

/** What the subjects of the API offer to routes, pages and the pipeline. */
export type Subjects = Awaited<ReturnType<typeof openSubjects>>;

/**
 * Opens the stores and creates what the routes use, from the connections up.
 * @param resources closes everything in reverse order
 */
export async function openSubjects(
  code: JobTypeRegistry,
  config: Config,
  { log, shipper }: Pick<Telemetry, "log" | "shipper">,
  resources: AsyncDisposableStack,
) {
  const api = createApi(code);
  const oidc = toOidcSettings(config);
  const prometheus = toPrometheusSettings(config);
  const prefix = config.BULL_PREFIX;
  const loadScript = (url: URL) => ({ prefix, script: readFileSync(url, "utf8") });
  const secretKeys = config.SECRET_KEYS && createKeyRing(config.SECRET_KEYS);

  const { ledgers, reads, redis } = await openStores(config, log, resources);
  const { changing, background } = ledgers;
  const jobTypeTable = await openJobTypeTable({
    code,
    read: (revision) =>
      background.run((sql) => readChangedJobTypes(sql, revision), { timeoutMs: readTypesMs }),
    log,
  });
  resources.defer(() => jobTypeTable.close());
  const jobTypes = jobTypeTable.registry;

  const dispatching = createDispatching({
    redis,
    ledgers,
    prefix,
    loadScript,
    maxUndispatched: config.MAX_UNDISPATCHED_JOBS,
    timeoutMs: config.REQUEST_TIMEOUT_MS,
    log,
    onDispatched: (ms) => metrics.dispatched(ms),
    onLedgerWrite: (ms) => metrics.ledgerWrite(ms),
    onBatch: (lane, size) => metrics.batch(lane, size),
  });
  resources.defer(() => dispatching.close());
  const { enqueue, dispatcher, breakers } = dispatching;
  const activity = createActivityRecorder();
  const metrics = createMetrics(activity, {
    waiting: () => enqueue.waiting,
    undispatched: () => dispatcher.undispatched,
    isRedisUnavailable: () => breakers.isAnyOpen,
    listeners: () => events.listeners,
    waitingWorkers: () => worker.waiting,
    pullTypes: code.types.filter(({ worker: kind }) => kind === "pull"),
  });
  if (shipper !== undefined) metrics.addLogShipper(shipper);

  const auth = await openAuth({
    log,
    databaseUrl: config.DATABASE_URL,
    host: config.HOST,
    allowOpen: config.ALLOW_OPEN,
    wrongKeysPerMinute: config.WRONG_KEYS_PER_MINUTE,
    oidc,
  });
  resources.defer(() => auth.close());
  const dashboard = createDashboard({ redis, prefix, jobTypes });
  jobTypeTable.onChange(dashboard.update);
  resources.defer(() => dashboard.close());
  const readStates: DrainDeps["readStates"] = (jobs) => readLiveStates(redis, prefix, jobs);
  const queues = createQueues({
    redis,
    prefix,
    loadScript,
    queues: () => jobTypes.queues,
    ledger: changing,
    applySettings: dispatching.applySettings,
    readStates,
    remove: dispatching.remove,
    log,
  });
  resources.defer(() => queues.close());
  addQueueMetrics(metrics.registry, queues);
  const overview = createOverview({
    redis,
    prefix,
    recorder: activity,
    queues,
    countPushEndpoints: () =>
      jobTypeTable.getRegistered().filter(({ jobType }) => jobType.worker === "push").length,
    prometheus,
    log,
  });
  resources.defer(() => overview.close());
  const idempotency = createIdempotency(changing, secretKeys);
  const operations = createOperationLedger({
    ledger: changing,
    reads,
    maxOpen: config.MAX_OPERATIONS,
  });
  const findCallbacks = createFindCallbacks(reads);
  const imports = createImports({
    api,
    jobTypes,
    ledgers,
    reads,
    enqueue,
    idempotency,
    operations,
    secretKeys,
    findCallbacks,
  });
  resources.defer(() => imports.close());
  const jobs = createJobsSubject({
    api,
    jobTypes,
    redis,
    prefix,
    loadScript,
    ledger: changing,
    reads,
    dispatching,
    readStates,
    getDequeueRate: queues.getDequeueRate,
    secretKeys,
    findCallbacks,
    maxBulkEntries: config.BULK_MAX_ENTRIES,
    timeoutMs: config.REQUEST_TIMEOUT_MS,
    log,
  });
  const events = createEvents({
    redis,
    servers: toRedisServers(config),
    prefix,
    queues: () => jobTypes.queues,
    ledger: background,
    imports: imports.importLedger,
    readJob: jobs.readJob,
    readOverview: overview.read,
    isAuthorized: auth.isAuthorized,
    maxListeners: config.MAX_LISTENERS,
    log,
  });
  resources.defer(() => events.close());
  const worker = createWorker({
    jobTypes,
    sharedQueues: code.queues,
    redis,
    openBlocking: () => openBlockingRedis(toRedisServers(config)),
    prefix,
    loadScript,
    ledger: ledgers.working,
    background,
    timeoutMs: config.REQUEST_TIMEOUT_MS,
    secretKeys,
    connectionLimit: events.connectionLimit,
    metrics: metrics.attempts,
    onSettleBatch: metrics.settleBatch,
    log,
  });
  resources.defer(() => worker.close());
  return {
    api,
    code,
    jobTypes,
    redis,
    ledgers,
    reads,
    secretKeys,
    dispatching,
    metrics,
    auth,
    dashboard,
    queues,
    overview,
    idempotency,
    operations,
    findCallbacks,
    imports,
    jobs,
    events,
    worker,
  };
}
