import { createHash } from "node:crypto";
import type { Cluster, Redis } from "ioredis";
import type { Logger } from "pino";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import { createAttemptErrors } from "@toril/contract/engine/jobs/attempt/attempt-errors";
import type { AttemptLedger } from "@toril/contract/engine/jobs/attempt/attempt-ledger";
import { createKeyRateLimits } from "@toril/contract/engine/jobs/attempt/key-rate-limits";
import { createLedgerLookup } from "@toril/contract/engine/jobs/attempt/ledger-lookup";
import { createLostAttempts } from "@toril/contract/engine/jobs/attempt/lost-attempts";
import { createAttemptOutcomes } from "@toril/contract/engine/jobs/attempt/outcome";
import { createSettler, type SettlerDeps } from "@toril/contract/engine/jobs/attempt/settle";
import { createStartAttempt } from "@toril/contract/engine/jobs/attempt/start-attempt";
import type { TakenJob } from "@toril/contract/engine/jobs/attempt/taken-job";
import type { AttemptMetrics } from "@toril/contract/engine/metrics/attempt-metrics";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import { hasWebhooks } from "@toril/contract/engine/webhooks/webhook-ledger";
import { createWebhookPresence } from "@toril/contract/engine/webhooks/webhook-presence";
import { createSendHeartbeat } from "@toril/contract/engine/queues/worker-heartbeat";
import { createHold, holdScriptUrl } from "@toril/contract/engine/redis/scripts/hold";
import { takeScriptUrl } from "@toril/contract/engine/redis/scripts/take";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { ConnectionLimit } from "../events/connection-limit.ts";
import { createExtendLeases } from "./extend-leases.ts";
import { createFinishJobs, type FinishJobsDeps } from "./finish-jobs.ts";
import { createJobWaiters, type JobWaitersDeps } from "./job-waiters.ts";
import { createPullQueues } from "./pull-queues.ts";
import { workerRoutes } from "./routes.ts";
import { createTakeJobs } from "./take-jobs.ts";
import { createWorkAccess } from "./work-access.ts";
import { createWorkerHeartbeats } from "./worker-heartbeats.ts";
import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { bullId } from "@toril/contract/engine/redis/names";

export interface WorkerDeps {
  jobTypes: JobTypeRegistry;
  /** Queues of job types that are defined in code. */
  sharedQueues: readonly string[];
  redis: Redis | Cluster;
  openBlocking: JobWaitersDeps["openBlocking"];
  prefix: string;
  loadScript(url: URL): { prefix: string; script: string };
  ledger: Ledger;
  /** Reads whether webhooks exist. */
  background: Pick<Ledger, "run">;
  /** Deadline of a response. */
  timeoutMs: number;
  secretKeys: KeyRing | undefined;
  connectionLimit: ConnectionLimit;
  metrics: AttemptMetrics;
  onSettleBatch: NonNullable<SettlerDeps["onBatch"]>;
  log: Logger;
}

const batch = { maxEntries: 200, flushMs: 5 };
/** Locks of failed jobs last this long while they are settled. */
const lockDurationMs = 20_000;

/** Creates the operations of workers that take jobs over HTTP. */
export function createWorker(deps: WorkerDeps) {
  const { jobTypes, redis, prefix, secretKeys, metrics, log, timeoutMs } = deps;
  const ledger: AttemptLedger = {
    retryUntilAvailable: (work) =>
      deps.ledger.retryUntil(work, performance.now() + timeoutMs * 0.8),
  };
  const findType = ({ name, tenant }: TakenJob) => jobTypes.forTenant(tenant).findRecorded(name);
  const hasSecrets = (queue: string) => jobTypes.secretQueues.has(queue);
  const webhooks = createWebhookPresence({ read: () => deps.background.run(hasWebhooks) });
  webhooks.start();
  const settler = createSettler({
    ledger,
    batch,
    mayHaveWebhooks: () => webhooks.mayExist,
    onBatch: deps.onSettleBatch,
  });
  const ledgerLookup = createLedgerLookup(ledger, batch);
  const lostAttempts = createLostAttempts(ledger, batch);
  const attempts = createAttemptOutcomes({
    settler,
    attemptErrors: createAttemptErrors({ redis, prefix, log }),
    lockDurationMs,
    metrics,
    log,
  });
  const startAttempt = createStartAttempt({
    findType,
    refreshTypes: jobTypes.refresh,
    ledgerLookup,
    keyRateLimits: createKeyRateLimits({
      redis,
      prefix,
      rates: new Map(),
      hash: (value) => createHash("sha256").update(value).digest("base64url"),
    }),
    secretKeys,
    attempts,
    log,
  });
  const queues = createPullQueues({
    redis,
    prefix,
    takeScript: deps.loadScript(takeScriptUrl).script,
    log,
  });
  const hold = createHold(redis, deps.loadScript(holdScriptUrl));
  const waiters = createJobWaiters({ redis, openBlocking: deps.openBlocking, prefix });
  const heartbeats = createWorkerHeartbeats(createSendHeartbeat(redis, prefix));
  const shared = {
    getQueue: queues.get,
    hold,
    attempts,
    findType,
    refreshTypes: jobTypes.refresh,
    getRevision: jobTypes.getRevision,
    hasSecrets,
    secretKeys,
    metrics,
  };
  const takeJobs = createTakeJobs({ ...shared, startAttempt, lostAttempts, waiters, log });
  return {
    routes: workerRoutes({
      access: createWorkAccess(new Set(deps.sharedQueues)),
      takeJobs,
      finishJobs: createFinishJobs({
        ...shared,
        lostAttempts,
        findEnded: createFindEnded(ledger),
        onEnded: (queue, worker) => heartbeats.note({ queue, worker }, -1),
      }),
      extendLeases: createExtendLeases({
        ...shared,
        ledgerLookup,
        finish: takeJobs.finish,
        log,
      }),
      release: (queue, taken) => queues.get(queue).release(taken),
      waiters,
      heartbeats,
      connectionLimit: deps.connectionLimit,
      log,
    }),
    /** Number of requests that wait for jobs. */
    get waiting() {
      return waiters.count;
    },
    /** Ends the waits for jobs. */
    stopWaiting: () => waiters.close(),
    async close() {
      waiters.close();
      heartbeats.close();
      await settler.drained();
      await webhooks.close();
      await queues.close();
    },
  };
}

/** Creates the function that finds leases whose job has ended in the ledger; returns their BullMQ ids. */
function createFindEnded(ledger: AttemptLedger): FinishJobsDeps["findEnded"] {
  return async (leases) => {
    const ids = leases.map(({ id }) => id);
    const rows = await ledger.retryUntilAvailable(
      (sql) => sql<Pick<JobColumns, "id" | "generation" | "status" | "queue">[]>`
        select id, generation, status, queue from jobs where id = any(${ids}::uuid[])`,
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return new Set(
      leases.flatMap(({ id, lease: { queue, generation } }) => {
        const row = byId.get(id);
        const hasEnded =
          row?.queue === queue &&
          (row.generation > generation ||
            (row.generation === generation && row.status !== "pending"));
        return hasEnded ? bullId(id, generation) : [];
      }),
    );
  };
}
