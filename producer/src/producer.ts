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
import project from "../package.json" with { type: "json" };
import { createConsoleFiles } from "./console/console-files.ts";
import { keyRoutes } from "./api-keys/routes.ts";
import { createAudit } from "./audit/audit.ts";
import { auditRoutes } from "./audit/routes.ts";
import { createSignInAudit } from "./audit/sign-in-audit.ts";
import { openAuth } from "./auth/auth.ts";
import { principalRoutes } from "./auth/routes.ts";
import { clientAddress } from "./auth/client-address.ts";
import { toOidcSettings } from "./auth/oidc/config.ts";
import { toSignInSettings } from "./auth/sign-in/config.ts";
import { createIssuerSignIn } from "./auth/sign-in/issuer-sign-in.ts";
import type { Config } from "./config.ts";
import { createDeadLetters } from "./dead-letters/dead-letters.ts";
import { deadLetterRoutes } from "./dead-letters/routes.ts";
import { feedRoutes } from "./feeds/routes.ts";
import { createEvents } from "./events/events.ts";
import { eventRoutes } from "./events/routes.ts";
import { healthRoutes } from "./health/routes.ts";
import { createApp } from "./http/app.ts";
import { createMemoryBudget } from "./http/memory.ts";
import { createMiddleware } from "./http/middleware.ts";
import { createPipeline } from "./http/pipeline.ts";
import { createErrorHandler } from "./http/problem.ts";
import { createIdempotency } from "./idempotency/idempotency.ts";
import { createReplayMiddleware } from "./idempotency/replay-middleware.ts";
import { createImports } from "./imports/imports.ts";
import { jobTypeRoutes } from "./job-types/routes.ts";
import { createDispatching } from "./jobs/dispatching.ts";
import { graphRoutes } from "./graphs/routes.ts";
import { createJobsSubject } from "./jobs/jobs.ts";
import { createMetrics } from "./observability/metrics.ts";
import type { Tracing } from "./observability/tracing.ts";
import { createOperationLedger } from "./operations/operation-ledger.ts";
import { createOverview } from "./overview/overview.ts";
import { overviewRoutes } from "./overview/routes.ts";
import { operationRoutes } from "./operations/routes.ts";
import { createDashboard } from "./pages/dashboard.ts";
import { createConsole } from "./pages/console.ts";
import { createSession } from "./pages/session.ts";
import { createDocs } from "./pages/docs.ts";
import { createPages } from "./pages/pages.ts";
import type { DrainDeps } from "./queues/drain-queue.ts";
import { addQueueMetrics } from "./queues/queue-metrics.ts";
import { createQueues } from "./queues/queues.ts";
import { createSharedQuotas } from "./quotas/quota-reservation.ts";
import type { Runtime } from "./runtime/serve.ts";
import { scheduleRoutes } from "./schedules/routes.ts";
import { createWorker } from "./worker/worker.ts";
import { connectLedgers } from "./stores/postgres.ts";
import { createReads } from "./stores/reads.ts";
import { connectRedis, openBlockingRedis } from "./stores/redis.ts";
import { pushRoutes } from "./push/routes.ts";
import { createFindCallbacks } from "./webhooks/find-callbacks.ts";
import { webhookRoutes } from "./webhooks/routes.ts";

export interface Producer {
  url: URL;
  /** The address of the METRICS_PORT server. */
  metricsUrl: URL | undefined;
  /** Finishes requests in progress for at most `DRAIN_MS`, then closes everything. */
  close(): Promise<void>;
}

export interface Telemetry extends Pick<Logging, "log"> {
  shipper?: Logging["shipper"];
  tracing?: Tracing | undefined;
}

/** Short, so that reads from a Postgres that hangs are retried soon. */
const readTypesMs = 1500;

export async function openProducer(
  code: JobTypeRegistry,
  config: Config,
  { log, shipper, tracing }: Telemetry,
  runtime: Runtime,
): Promise<Producer> {
  const api = createApi(code);
  const oidc = toOidcSettings(config);
  const signIn = toSignInSettings(config);
  await using opening = new AsyncDisposableStack();
  const prefix = config.BULL_PREFIX;
  const loadScript = (url: URL) => ({ prefix, script: readFileSync(url, "utf8") });
  const secretKeys = config.SECRET_KEYS && createKeyRing(config.SECRET_KEYS);
  let isDraining = false;

  const ledgers = connectLedgers(config.DATABASE_URL, config.REQUEST_TIMEOUT_MS);
  opening.defer(() => ledgers.close());
  const { accepting, changing, background } = ledgers;
  const jobTypeTable = await openJobTypeTable({
    code,
    read: (revision) =>
      background.run((sql) => readChangedJobTypes(sql, revision), { timeoutMs: readTypesMs }),
    log,
  });
  opening.defer(() => jobTypeTable.close());
  const jobTypes = jobTypeTable.registry;
  const reads = createReads(ledgers.reading, config.REQUEST_TIMEOUT_MS);
  const redis = await connectRedis(toRedisServers(config), log, config.REQUEST_TIMEOUT_MS);
  opening.defer(() => redis.disconnect());

  const dispatching = createDispatching({
    redis,
    ledgers,
    prefix,
    loadScript,
    maxUndispatched: config.MAX_UNDISPATCHED_JOBS,
    timeoutMs: config.REQUEST_TIMEOUT_MS,
    log,
    onDispatched: (ms) => metrics.placed(ms),
    onLedgerWrite: (ms) => metrics.ledgerWrite(ms),
    onBatch: (lane, size) => metrics.batch(lane, size),
  });
  opening.defer(() => dispatching.close());
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
  opening.defer(() => auth.close());
  const dashboard = createDashboard(redis, prefix, jobTypes);
  jobTypeTable.onChange(dashboard.update);
  opening.defer(() => dashboard.close());
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
  opening.defer(() => queues.close());
  addQueueMetrics(metrics.registry, queues.readSizes);
  const overview = createOverview({ redis, prefix, recorder: activity, queues });
  opening.defer(() => overview.close());
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
  opening.defer(() => imports.close());
  const onError = createErrorHandler(log);
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
    isAuthorized: auth.isAuthorized,
    maxListeners: config.MAX_LISTENERS,
    log,
  });
  opening.defer(() => events.close());
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
  opening.defer(() => worker.close());
  const { createJob, routes } = jobs.createRoutes(events.waitForEnd);
  const audit = createAudit(changing, log);
  const app = createApp({
    authorize: auth.authorize,
    middleware: createMiddleware({
      authorize: auth.authorize,
      audit,
      replay: createReplayMiddleware(idempotency),
    }),
    onError,
    metrics,
    routes: [
      ...routes,
      ...graphRoutes({
        api,
        reads,
        enqueue,
        secretKeys,
        findCallbacks,
        admission: jobs.bulkAdmission,
        jobReader: jobs.jobReader,
        liveJobs: jobs.liveJobs,
      }),
      ...imports.routes,
      ...scheduleRoutes({
        api,
        jobTypes,
        ledger: changing,
        reads,
        maxSchedules: config.MAX_SCHEDULES,
        enqueue,
        secretKeys,
      }),
      ...feedRoutes({ api, reads, enqueue, secretKeys }),
      ...jobTypeRoutes({
        api,
        code,
        ledger: changing,
        reads,
        secretKeys,
        maxJobTypes: config.MAX_JOB_TYPES,
      }),
      ...deadLetterRoutes({
        api,
        ...jobs,
        deadLetters: createDeadLetters(jobTypes, reads, jobs.jobSearch),
        operations,
      }),
      ...operationRoutes(api, operations),
      ...queues.routes,
      ...worker.routes,
      ...eventRoutes({
        api,
        events,
        jobReader: jobs.jobReader,
        importLedger: imports.importLedger,
      }),
      ...principalRoutes(),
      ...auditRoutes(reads),
      ...overviewRoutes(overview.read),
      ...keyRoutes(api, { ledger: changing, reads, idempotency, refresh: auth.refreshKeys }),
      ...pushRoutes({ api, ledger: changing, reads, idempotency, secretKeys }),
      ...webhookRoutes(api, {
        ledger: changing,
        reads,
        idempotency,
        secretKeys,
        maxWebhooks: config.MAX_WEBHOOKS,
      }),
      ...healthRoutes({
        ledger: accepting,
        writeRedis: () => Promise.all(code.queues.map(dispatching.writeProbe)),
        isDraining: () => isDraining,
      }),
    ],
    docs: createDocs(api, code, project.version),
    pages: createPages(enqueue, secretKeys, project.version),
    console: createConsole({
      readFiles: createConsoleFiles(),
      session: createSession({
        authorize: auth.authorize,
        signInAudit: createSignInAudit(audit),
        issuer: signIn && createIssuerSignIn(signIn, { identify: auth.identify, log }),
      }),
    }),
    dashboard: dashboard.routes,
  });

  const pipeline = createPipeline({
    jobTypes,
    api,
    app,
    createJob,
    bulkAdmission: jobs.bulkAdmission,
    onError,
    log,
    metrics,
    tracing,
    memory: createMemoryBudget(config.MAX_BODY_BYTES),
    authorize: auth.authorize,
    findQuota: createSharedQuotas({ redis, prefix, ledger: accepting, log }),
    clientAddress: (socketAddress, { headers }) =>
      clientAddress(socketAddress, headers.get("x-forwarded-for"), config.TRUSTED_PROXIES),
  });
  const { HOST: hostname, PORT: port, METRICS_PORT: metricsPort } = config;
  const server = runtime.serve(pipeline, { hostname, port });
  opening.defer(() => server.drain(0));
  const metricsServer =
    metricsPort === undefined
      ? undefined
      : runtime.serveMetrics(metrics, { hostname, port: metricsPort });
  opening.defer(() => metricsServer?.drain(0));
  const opened = opening.move();
  return {
    url: server.url,
    metricsUrl: metricsServer?.url,
    async close() {
      await using _ = opened;
      isDraining = true;
      worker.stopWaiting();
      await events.close();
      await server.drain(config.DRAIN_MS);
      await imports.waitForImports();
      await enqueue.drained();
    },
  };
}
