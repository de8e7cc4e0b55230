import type { ISql, Sql } from "postgres";
import { createBatch, runIsolating } from "../batch.ts";
import { isLockTimeout, isRowFault } from "../ledger/errors.ts";
import {
  claimIdempotencyKeys,
  type IdempotencyClaim,
  type StoredAnswer,
  storeAnswers,
} from "../ledger/idempotency.ts";
import { insertJobs, insertKeyedJobs } from "../ledger/insert.ts";
import type { Ledger } from "../ledger/pool.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { NewJob } from "./new-job.ts";
import {
  recordEntries,
  type RecordedEntry,
  type SingleEntry,
  toAnswer,
  toEntry,
} from "./record.ts";

export type Accepted = RecordedEntry & { status: "accepted" };
type Refused =
  | Exclude<RecordedEntry, { status: "accepted" }>
  /** Postgres refuses to store it. */
  | { status: "unstorable" };

export type Enqueued = (Accepted & { isPlaced: boolean }) | Refused;

export type EnqueuedMany = { status: "accepted"; jobs: Accepted[]; isPlaced: boolean } | Refused;

export interface ManyRequest {
  jobs: readonly NewJob[];
  claim?: IdempotencyClaim | undefined;
  /** The answer that a replay will get. */
  toAnswer?: ((jobs: readonly Accepted[], isPlaced: boolean) => StoredAnswer) | undefined;
  /** Runs in the transaction that records the jobs; it may run again after a COMMIT whose reply was lost. */
  alongside?: ((sql: ISql, jobs: readonly Accepted[]) => Promise<void>) | undefined;
}

/** Ledger first, then Redis. Rejects with `BatchRefused` at capacity or when the deadline has come. */
export interface Enqueue {
  one(entry: SingleEntry): Promise<Enqueued>;
  /** All of them in one transaction. */
  many(request: ManyRequest): Promise<EnqueuedMany>;
  drained(): Promise<unknown>;
  readonly waiting: number;
}

export interface EnqueueDeps {
  ledger: Ledger;
  dispatcher: Dispatcher;
  timeoutMs: number;
  onBatch?(lane: "plain" | "keyed" | "many", size: number): void;
}

/** 128 rows cost 10 µs each where one costs 200; two batches on the way keep Postgres and Redis both busy. */
const single = {
  maxEntries: 128,
  maxBytes: 4_000_000,
  maxInFlight: 2,
  flushMs: 2,
  maxWaiting: 10_000,
  maxWaitingBytes: 64_000_000,
};
const bulk = {
  maxEntries: 1,
  maxBytes: Number.POSITIVE_INFINITY,
  maxInFlight: 2,
  flushMs: 0,
  maxWaiting: 64,
  maxWaitingBytes: 128_000_000,
};

export function createEnqueue({ ledger, dispatcher, timeoutMs, onBatch }: EnqueueDeps): Enqueue {
  const plain = createBatch<NewJob, Enqueued>({
    ...single,
    timeoutMs,
    bytesOf: (job) => job.data.length,
    run: (jobs, deadline) => {
      onBatch?.("plain", jobs.length);
      return runIsolating(
        jobs,
        async (part): Promise<Enqueued[]> => {
          const createdAt = await ledger.repeat((sql) => insertJobs(sql, part), deadline);
          const placed = await dispatcher.dispatch(part);
          return part.map((job) => ({
            ...toEntry(job, { status: "created", createdAt }),
            isPlaced: placed.has(job),
          }));
        },
        isRowFault,
        () => ({ status: "unstorable" }),
      );
    },
  });

  // Apart from the plain ones, so that nobody without a key waits for another's transaction.
  const keyed = createBatch<SingleEntry, Enqueued>({
    ...single,
    timeoutMs,
    bytesOf: (entry) => entry.job.data.length,
    run: (entries, deadline) => {
      onBatch?.("keyed", entries.length);
      return runIsolating(
        entries,
        (part) => runKeyed(part, deadline),
        (error) => isRowFault(error) || isLockTimeout(error),
        (_, error) => ({ status: isLockTimeout(error) ? "in-use" : "unstorable" }),
      );
    },
  });

  const requests = createBatch<ManyRequest, EnqueuedMany>({
    ...bulk,
    timeoutMs,
    bytesOf: ({ jobs }) => jobs.reduce((sum, job) => sum + job.data.length, 0),
    run: async (batch, deadline) => {
      const outcomes: EnqueuedMany[] = [];
      for (const request of batch) {
        onBatch?.("many", request.jobs.length);
        outcomes.push(await runMany(request, deadline));
      }
      return outcomes;
    },
  });

  async function runKeyed(part: readonly SingleEntry[], deadline: number): Promise<Enqueued[]> {
    const recorded = await ledger.repeat(
      (sql) => sql.begin((tx) => recordEntries(tx, part)),
      deadline,
    );
    const created = part.filter((_, index) => isNew(recorded[index])).map((entry) => entry.job);
    const placed = await dispatcher.dispatch(created);
    const late: (IdempotencyClaim & { answer: StoredAnswer })[] = [];
    const outcomes = part.map(({ job, claim }, index): Enqueued => {
      const entry = recorded[index] ?? { status: "in-use" };
      if (entry.status !== "accepted") return entry;
      const isPlaced = !entry.isNew || placed.has(job);
      if (!isPlaced && claim) late.push({ ...claim, answer: toAnswer(entry.job, false) });
      return { ...entry, isPlaced };
    });
    if (late.length > 0) await ledger.repeat((sql) => storeAnswers(sql, late), deadline);
    return outcomes;
  }

  async function runMany(request: ManyRequest, deadline: number): Promise<EnqueuedMany> {
    const { jobs, claim } = request;
    try {
      const recorded = await ledger.repeat((sql) => recordMany(sql, request), deadline);
      if (recorded.status !== "accepted") return recorded;
      const created = jobs.filter((_, index) => isNew(recorded.jobs[index]));
      const isPlaced = (await dispatcher.dispatch(created)).size === created.length;
      if (!isPlaced && claim && request.toAnswer) {
        const answer = request.toAnswer(recorded.jobs, false);
        await ledger.repeat((sql) => storeAnswers(sql, [{ ...claim, answer }]), deadline);
      }
      return { ...recorded, isPlaced };
    } catch (error) {
      if (isRowFault(error)) return { status: "unstorable" };
      if (isLockTimeout(error)) return { status: "in-use" };
      throw error;
    }
  }

  return {
    async one(entry) {
      dispatcher.reserve();
      return entry.claim === undefined && entry.job.key === null
        ? plain.submit(entry.job)
        : keyed.submit(entry);
    },
    async many(request) {
      dispatcher.reserve();
      return requests.submit(request);
    },
    drained: () => Promise.all([plain.drained(), keyed.drained(), requests.drained()]),
    get waiting() {
      return plain.waiting + keyed.waiting + requests.waiting;
    },
  };
}

function isNew(entry: RecordedEntry | undefined): boolean {
  return entry?.status === "accepted" && entry.isNew;
}

async function recordMany(
  client: Sql,
  { jobs, claim, toAnswer: answer, alongside }: ManyRequest,
): Promise<{ status: "accepted"; jobs: Accepted[] } | Refused> {
  return client.begin(async (sql): Promise<{ status: "accepted"; jobs: Accepted[] } | Refused> => {
    const [claimed] = claim === undefined ? [] : await claimIdempotencyKeys(sql, [claim]);
    if (claimed?.status === "answered") return { status: "replayed", answer: claimed.answer };
    if (claimed !== undefined && claimed.status !== "claimed") return claimed;
    const accepted = await insertMany(sql, jobs);
    if (claim && answer) await storeAnswers(sql, [{ ...claim, answer: answer(accepted, true) }]);
    await alongside?.(sql, accepted);
    return { status: "accepted", jobs: accepted };
  });
}

async function insertMany(sql: ISql, jobs: readonly NewJob[]): Promise<Accepted[]> {
  if (jobs.length === 0) return [];
  if (jobs.every((job) => job.key === null)) {
    const createdAt = await insertJobs(sql, jobs);
    return jobs.map((job) => toEntry(job, { status: "created", createdAt }));
  }
  const recorded = await insertKeyedJobs(sql, jobs);
  return jobs.flatMap((job, index) => {
    const outcome = recorded[index];
    return outcome === undefined ? [] : [toEntry(job, outcome)];
  });
}
