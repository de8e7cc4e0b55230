import { readFileSync } from "node:fs";
import { listState } from "@toril/contract/engine/redis/list-state";
import { readLiveDetail } from "@toril/contract/engine/redis/live-detail";
import { createDrainWaiting, drainScriptUrl } from "@toril/contract/engine/redis/drain-queue";
import { createFailedJobs } from "@toril/contract/engine/redis/failed-jobs";
import { createRemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import { createMove, moveScriptUrl } from "@toril/contract/engine/redis/move";
import { readLiveStates } from "@toril/contract/engine/redis/live-state";
import { probeKey } from "@toril/contract/engine/redis/names";
import {
  createApplySettings,
  settingsScriptUrl,
} from "@toril/contract/engine/redis/queue-settings";
import { readQueueSizes } from "@toril/contract/engine/redis/queue-sizes";
import {
  createDispatch,
  createRestoringDispatch,
  dispatchScriptUrl,
} from "@toril/contract/engine/redis/dispatch";
import { createRemove, removeScriptUrl } from "@toril/contract/engine/redis/remove";
import { createWatchQueue, watchScriptUrl } from "@toril/contract/engine/redis/watch-queue";
import { createBreakers } from "@toril/contract/engine/jobs/enqueue/breaker";
import { createDispatcher } from "@toril/contract/engine/jobs/enqueue/dispatcher";
import { createEnqueue } from "@toril/contract/engine/jobs/enqueue/enqueue";
import { createFeedParser } from "@toril/contract/engine/feeds/feed-parser";
import { queueNames, secretQueueNames } from "@toril/contract/api/job-types/index";
import { countWaiting } from "@toril/contract/engine/postgres/count-waiting";
import { enforceQueueSettings } from "@toril/contract/engine/queues/settings-ledger";
import type { Logging } from "@toril/contract/engine/logging/logging";
import { toRedisServers } from "@toril/contract/engine/config/redis-config";
import { createKeyRing } from "@toril/contract/engine/secrets/key-ring";
import project from "../../package.json" with { type: "json" };
import { createAdmission } from "./http/admission.ts";
import { createApp } from "./http/app.ts";
import { createAwaitJob } from "./jobs/await-job.ts";
import { createAudit } from "./audit/audit.ts";
import { openAuth } from "./auth/auth.ts";
import { clientAddress } from "./auth/client-address.ts";
import { toOidcSettings } from "./auth/oidc/config.ts";
import { createCleanQueue } from "./queues/clean-queue.ts";
import type { Config } from "./config.ts";
import { createDashboard } from "./pages/dashboard.ts";
import { createDeadLetters } from "./dead-letters/dead-letters.ts";
import { createDocs } from "./pages/docs.ts";
import { createDrainQueue, type DrainDeps } from "./queues/drain-queue.ts";
import { createEvents } from "./events/events.ts";
import { createPipeline } from "./http/pipeline.ts";
import { createFileImporter } from "./imports/import-file.ts";
import { createImportLedger } from "./imports/import-ledger.ts";
import { createJobChanges } from "./jobs/job-changes.ts";
import { createKeyStore } from "./api-keys/key-store.ts";
import { createLiveJobs } from "./jobs/live-jobs.ts";
import { createMemoryBudget } from "./http/memory.ts";
import { createMiddleware } from "./http/middleware.ts";
import { createMetrics, timeDispatch, timeLedger } from "./observability/metrics.ts";
import { createIdempotency } from "./idempotency/idempotency.ts";
import { createQueueControl } from "./queues/queue-control.ts";
import { createOperationLedger } from "./operations/operation-ledger.ts";
import { addQueueMetrics } from "./queues/queue-metrics.ts";
import { createQueueReader } from "./queues/queue-reader.ts";
import { connectLedgers } from "./stores/postgres.ts";
import { createReads } from "./stores/reads.ts";
import { createErrorHandler } from "./http/problem.ts";
import { createJob as createJobHandler } from "./jobs/create-job.ts";
import { jobRoutes } from "./jobs/routes.ts";
import { keyRoutes } from "./api-keys/routes.ts";
import { deadLetterRoutes } from "./dead-letters/routes.ts";
import { eventRoutes } from "./events/routes.ts";
import { healthRoutes } from "./health/routes.ts";
import { importRoutes } from "./imports/routes.ts";
import { operationRoutes } from "./operations/routes.ts";
import { queueRoutes } from "./queues/routes.ts";
import { scheduleRoutes } from "./schedules/routes.ts";
import { createReadJob } from "./jobs/read-job.ts";
import { createJobReader } from "./jobs/read-jobs.ts";
import { createJobSearch } from "./jobs/search-jobs.ts";
import { createPages } from "./pages/pages.ts";
import { createLease, leaseScriptUrl } from "@toril/contract/engine/quotas/lease";
import { createFindQuota } from "@toril/contract/engine/quotas/quotas";
import { createReplayMiddleware } from "./idempotency/replay-middleware.ts";
import { createReadiness } from "./health/readiness.ts";
import { connectRedis } from "./stores/redis.ts";
import { createScheduleStore } from "./schedules/schedule-store.ts";
import type { Runtime } from "./runtime/serve.ts";
import type { Tracing } from "./observability/tracing.ts";

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

/** Share of the response deadline: requests accepted this late still finish in time. */
const lateShare = 0.3;
const minLateRequests = 8;

export async function openProducer(
  config: Config,
  { log, shipper, tracing }: Telemetry,
  runtime: Runtime,
): Promise<Producer> {
  const oidc = toOidcSettings(config);
  await using opening = new AsyncDisposableStack();
  const prefix = config.BULL_PREFIX;
  const scripted = (url: URL) => ({ prefix, script: readFileSync(url, "utf8") });
  const secretKeys = config.SECRET_KEYS && createKeyRing(config.SECRET_KEYS);
  let isDraining = false;

  const ledgers = connectLedgers(config.DATABASE_URL, config.REQUEST_TIMEOUT_MS);
  opening.defer(() => ledgers.close());
  const { accepting, changing, background } = ledgers;
  const reads = createReads(ledgers.reading);
  const redis = await connectRedis(toRedisServers(config), log, config.REQUEST_TIMEOUT_MS);
  opening.defer(() => redis.disconnect());

  const writeRedis = (queue: string) => redis.set(probeKey(prefix, queue), "", "EX", 60);
  const breakers = createBreakers({
    probe: writeRedis,
    probeEveryMs: 250,
    onChange(queue, availability, error) {
      if (availability === "available") log.info({ queue }, "Redis accepts jobs again");
      else log.warn({ err: error, queue }, `Redis is ${availability}: jobs are dispatched later`);
    },
  });
  opening.defer(() => breakers.close());
  const applySettings = createApplySettings(redis, scripted(settingsScriptUrl));
  // No tenant requests this work, so it takes turns as a tenant of its own.
  const place = createRestoringDispatch(
    createDispatch(redis, scripted(dispatchScriptUrl)),
    (queue) => changing.run("", (sql) => enforceQueueSettings(sql, queue, applySettings)),
  );
  const remove = createRemove(redis, scripted(removeScriptUrl));
  const withdraw = createRemoveFromRedis({
    remove,
    publish: (channel, message) => redis.publish(channel, message),
    prefix,
  });
  const dispatcher = createDispatcher({
    dispatch: timeDispatch(place, (ms) => metrics.placed(ms)),
    remove,
    removeFromRedis: withdraw,
    breakers,
    maxUndispatched: config.MAX_UNDISPATCHED_JOBS,
  });
  const enqueue = createEnqueue({
    ledger: timeLedger(accepting, (ms) => metrics.ledgerWrite(ms)),
    dispatcher,
    timeoutMs: config.REQUEST_TIMEOUT_MS,
    onBatch: (lane, size) => metrics.batch(lane, size),
  });
  const metrics = createMetrics({
    waiting: () => enqueue.waiting,
    undispatched: () => dispatcher.undispatched,
    isRedisAway: () => breakers.isAnyOpen,
    listeners: () => events.listeners,
  });
  if (shipper !== undefined) metrics.addLogShipper(shipper);
  addQueueMetrics(metrics.registry, () => readQueueSizes(redis, prefix, queueNames, Date.now));

  const auth = await openAuth({
    log,
    databaseUrl: config.DATABASE_URL,
    host: config.HOST,
    allowOpen: config.ALLOW_OPEN,
    wrongKeysPerMinute: config.WRONG_KEYS_PER_MINUTE,
    oidc,
  });
  opening.defer(() => auth.close());
  const importLedger = createImportLedger(ledgers);
  const dashboard = createDashboard(redis, prefix, queueNames, secretQueueNames);
  opening.defer(() => dashboard.close());
  const readStates: DrainDeps["readStates"] = (jobs) => readLiveStates(redis, prefix, jobs);
  const queueReader = createQueueReader({
    readSizes: (queues) => readQueueSizes(redis, prefix, queues, Date.now),
    watch: createWatchQueue(redis, scripted(watchScriptUrl)),
    queues: queueNames,
  });
  opening.defer(() => queueReader.close());
  const feedParser = opening.use(createFeedParser());
  const importer = createFileImporter(enqueue, importLedger, secretKeys);
  const idempotency = createIdempotency(changing, secretKeys);
  const onError = createErrorHandler(log);
  const jobReader = createJobReader(reads);
  const liveJobs = createLiveJobs({
    readStates,
    readDetail: (job) => readLiveDetail(redis, prefix, job),
    getDequeueRate: queueReader.getDequeueRate,
  });
  const readJob = createReadJob(jobReader, liveJobs);
  const events = createEvents({
    redis,
    servers: toRedisServers(config),
    prefix,
    queues: queueNames,
    ledger: background,
    imports: importLedger,
    readJob,
    isAuthorized: auth.isAuthorized,
    maxListeners: config.MAX_LISTENERS,
    log,
  });
  opening.defer(() => events.close());
  const jobChanges = createJobChanges({
    ledger: changing,
    breakers,
    removeFromRedis: withdraw,
    dispatch: place,
    remove,
    log,
    move: createMove(redis, scripted(moveScriptUrl)),
  });
  const createJob = createJobHandler(
    enqueue,
    secretKeys,
    createAwaitJob(events.waitForEnd, readJob),
  );
  const jobSearch = createJobSearch(reads);
  const operations = createOperationLedger({
    ledger: changing,
    reads,
    maxOpen: config.MAX_OPERATIONS,
  });
  const app = createApp({
    authorize: auth.authorize,
    middleware: createMiddleware({
      authorize: auth.authorize,
      audit: createAudit(changing, log),
      replay: createReplayMiddleware(idempotency),
    }),
    onError,
    metrics,
    routes: [
      ...jobRoutes({
        createJob,
        enqueue,
        maxBulkEntries: config.BULK_MAX_ENTRIES,
        bulkAdmission: createAdmission({
          maxAgeMs: config.REQUEST_TIMEOUT_MS * lateShare,
          minLate: minLateRequests,
          now: () => performance.now(),
        }),
        secretKeys,
        jobReader,
        jobSearch,
        listState: (queue, state, page) => listState(redis, prefix, queue, state, page),
        liveJobs,
        jobChanges,
        waitForEnd: events.waitForEnd,
      }),
      ...importRoutes({ importer, importLedger, idempotency, parseFeed: feedParser.parse }),
      ...scheduleRoutes({
        scheduleStore: createScheduleStore({
          ledger: changing,
          reads,
          keys: secretKeys,
          maxSchedules: config.MAX_SCHEDULES,
        }),
        enqueue,
        secretKeys,
      }),
      ...deadLetterRoutes({
        deadLetters: createDeadLetters(reads, jobSearch),
        jobReader,
        liveJobs,
        jobChanges,
        operations,
      }),
      ...operationRoutes(operations),
      ...queueRoutes({
        queueReader,
        queueControl: createQueueControl(changing, applySettings, log),
        drainQueue: createDrainQueue({
          ledger: changing,
          takeWaiting: createDrainWaiting(redis, scripted(drainScriptUrl)),
          readStates,
          remove,
        }),
        cleanQueue: createCleanQueue(changing, createFailedJobs(redis, prefix)),
      }),
      ...eventRoutes({ events, jobReader, importLedger }),
      ...keyRoutes(
        createKeyStore({ ledger: changing, reads, idempotency, refresh: auth.refreshKeys }),
      ),
      ...healthRoutes(
        createReadiness({
          ledger: accepting,
          writeRedis: () => Promise.all(queueNames.map(writeRedis)),
          isDraining: () => isDraining,
        }),
      ),
    ],
    docs: createDocs(project.version),
    pages: createPages(enqueue, secretKeys, project.version),
    dashboard: dashboard.routes,
  });

  const pipeline = createPipeline({
    app,
    createJob,
    onError,
    log,
    metrics,
    tracing,
    memory: createMemoryBudget(config.MAX_BODY_BYTES),
    authorize: auth.authorize,
    findQuota: createFindQuota({
      prefix,
      lease: createLease({
        redis,
        script: readFileSync(leaseScriptUrl, "utf8"),
        now: () => performance.now(),
        onChange: (isAway, error) =>
          isAway
            ? log.warn({ err: error }, "quotas cannot be shared: this producer keeps them alone")
            : log.info("quotas are shared again"),
      }),
      countWaiting: (quotaKey, limit) => accepting.run((sql) => countWaiting(sql, quotaKey, limit)),
    }),
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
      await events.close();
      await server.drain(config.DRAIN_MS);
      await importer.waitForImports();
      await enqueue.drained();
    },
  };
}
