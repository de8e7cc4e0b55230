import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bullId, bullName, jobKey, queueKeys } from "@toril/contract/engine/redis/names";
import {
  createDispatch,
  type DispatchEntry,
  dispatchScriptUrl,
} from "@toril/contract/engine/redis/scripts/dispatch";
import { createLedger } from "@toril/contract/engine/postgres/pool";
import { type Processor, Worker, type WorkerOptions } from "bullmq";
import { Redis } from "ioredis";
import postgres from "postgres";
import { shippedRegistry } from "../../contract/test/_job-types.ts";
import { createTestLedger, testPrefix } from "../../contract/test/_stores.ts";
import { startRedis } from "../../ops/dev/stores/redis.ts";
import { createRetryingLedger } from "../src/stores/retrying-ledger.ts";
import {
  createReconciler,
  type PassReport,
  type ReconcilerDeps,
} from "../src/reconciler/reconcile.ts";
import { createSettler } from "@toril/contract/engine/jobs/attempt/settle";
import { _until } from "./_world.ts";

export { _until };

const script = await Bun.file(dispatchScriptUrl).text();

export type _World = Awaited<ReturnType<typeof _openWorld>>;

/** Opens a ledger and a Redis that a test may flush, fill and kill. */
export async function _openWorld() {
  await using opening = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), "toril-reconcile-"));
  opening.defer(() => rmSync(dir, { recursive: true, force: true }));
  const server = opening.use(await startRedis({ dir }));
  const { url, sql } = opening.use(await createTestLedger());
  const redis = opening.adopt(_connect(server.url), (client) => client.disconnect());
  const prefix = testPrefix();
  const open = (options?: postgres.Options<never>, at = url) =>
    postgres(at, { max: 4, ...options });
  const ledger = createLedger(() => open({ max: 1 }), { timeoutMs: 30_000, connections: 4 });
  opening.defer(() => ledger.close());
  const retryingLedger = createRetryingLedger({ ledger, onUnavailable() {}, onAvailable() {} });
  opening.defer(() => retryingLedger.stop());
  const settler = createSettler({ ledger: retryingLedger, batch: { maxEntries: 100, flushMs: 5 } });
  const dispatch = createDispatch(redis, { prefix, script });
  const opened = opening.move();
  return {
    dir,
    server,
    url,
    sql,
    redis,
    prefix,
    ledger,
    settler,
    dispatch,
    openLeaderClient: open,
    keys: (queue = "echo") => queueKeys(prefix, queue),
    getHash: (id: string, generation = 0) =>
      redis.hgetall(jobKey(prefix, "echo", bullId(id, generation))),
    async clear() {
      await redis.flushall();
      await sql`truncate jobs, undispatched_jobs, reconciler_progress`;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

export function _connect(url: string) {
  const redis = new Redis(url, { commandTimeout: 5000, retryStrategy: () => 20 });
  redis.on("error", () => {});
  return redis;
}

interface RowChanges {
  queue?: string;
  type?: string;
  generation?: number;
  ageMs?: number;
  runAt?: Date;
  data?: string;
}

/** Inserts pending rows, an hour old by default; returns their ids, in order. */
export async function _record({ sql }: _World, count: number, changes: RowChanges = {}) {
  const {
    queue = "echo",
    type = "echo",
    generation = 0,
    ageMs = 3_600_000,
    runAt = null,
    data,
  } = changes;
  const ids = Array.from({ length: count }, () => Bun.randomUUIDv7());
  await sql`
    insert into jobs (id, queue, type, generation, data, options, run_at, created_at)
    select id, ${queue}, ${type}, ${generation}, ${data ?? '{"message":"hello"}'}::text::jsonb,
           '{"attempts":2,"backoff":{"type":"fixed","delay":1}}', ${runAt}, now() - ${ageMs} * interval '1 millisecond'
    from unnest(${ids}::uuid[]) as id`;
  return ids;
}

/** Notes jobs as a producer whose dispatch failed. */
export async function _noteUndispatched({ sql }: _World, ids: readonly string[]) {
  await sql`insert into undispatched_jobs (job_id) select unnest(${ids}::uuid[])`;
}

/** Returns a Redis client that reports the ids of each inspection. */
export function _spyInspections({ redis }: _World, onInspect: (ids: string[]) => void) {
  return new Proxy(redis, {
    get(target, name) {
      if (name !== "evalsha") return Reflect.get(target, name, target) as unknown;
      return (sha1: string, count: number, keysAndArguments: string[]) => {
        const [, mode, , , ...ids] = keysAndArguments.slice(count);
        if (mode === "keep") onInspect(ids);
        return target.evalsha(sha1, count, keysAndArguments);
      };
    },
  });
}

/** Dispatches recorded jobs like a producer. */
export async function _dispatch({ dispatch }: _World, ids: readonly string[], queue = "echo") {
  const options = { attempts: 2, timestamp: Date.now() };
  await dispatch(
    queue,
    ids.map((id): DispatchEntry => ({ bullId: id, type: "echo", data: "{}", options })),
  );
}

/** Starts a leading reconciler that makes passes on demand. */
export async function _startReconciler(world: _World, changes: Partial<ReconcilerDeps> = {}) {
  const reports: PassReport[] = [];
  const problems: unknown[] = [];
  const reconciler = createReconciler({
    ...world,
    jobTypes: shippedRegistry,
    remove: async () => [],
    apply: async () => {},
    intervalMs: 600_000,
    graceMs: 600_000,
    electEveryMs: 20,
    log: {
      info() {},
      warn: (problem: unknown) => problems.push(problem),
      error: (problem: unknown) => problems.push(problem),
    },
    onPass: (report) => reports.push(report),
    ...changes,
  });
  const waitForPass = (reason: string) =>
    _until(() => reports.findLast((report) => report.reason === reason));
  reconciler.start();
  return {
    reconciler,
    reports,
    problems,
    waitForPass,
    /** Makes one more pass and waits for its end. */
    async pass() {
      const reason = crypto.randomUUID();
      reconciler.wake(reason);
      return waitForPass(reason);
    },
    [Symbol.asyncDispose]: () => reconciler.close(),
  };
}

/** Starts a stock BullMQ worker. */
export function _startWorker(
  { redis, prefix }: _World,
  process: Processor,
  options: Pick<WorkerOptions, "removeOnComplete" | "removeOnFail"> = {},
) {
  const connection = redis.duplicate({ maxRetriesPerRequest: null });
  const worker = new Worker(bullName("echo"), process, { connection, prefix, ...options });
  return Object.assign(worker, {
    async [Symbol.asyncDispose]() {
      await worker.close();
      connection.disconnect();
    },
  });
}
