import type { CancelledJob } from "../change/cancel.ts";
import { createBatcher, runIsolating } from "../../batcher.ts";
import {
  isIdempotencyKeyInUse,
  isLockTimeout,
  isRowFault,
  isRowLockTimeout,
} from "../../postgres/errors.ts";
import {
  type IdempotencyClaim,
  type StoredResponse,
  storeResponses,
} from "../../postgres/idempotency.ts";
import { insertNewJobs } from "../../postgres/insert.ts";
import type { Ledger } from "../../postgres/pool.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { NewJob } from "./new-job.ts";
import { type BulkRequest, findRefused, insertBulk } from "./insert-bulk.ts";
import {
  type Accepted,
  identity,
  insertEntries,
  type InsertedEntry,
  type Refused,
  type SingleEntry,
  toResponse,
  toEntry,
} from "./insert-entries.ts";

export type Enqueued =
  | (Accepted & { isDispatched: boolean })
  | Refused
  /** Postgres cannot store the job. */
  | { status: "unstorable" };

export type EnqueuedMany =
  | { status: "accepted"; jobs: Accepted[]; isDispatched: boolean }
  | Refused
  /** Postgres cannot store these jobs; none was stored. */
  | { status: "unstorable"; jobs: NewJob[] };

/**
 * Records jobs in the ledger, then dispatches them. Throws or rejects with `BatchRefused` at capacity or after the
 * deadline.
 */
export interface Enqueue {
  one(entry: SingleEntry): Promise<Enqueued>;
  /** Records all jobs of a request in one transaction. */
  many(request: BulkRequest): Promise<EnqueuedMany>;
  drained(): Promise<unknown>;
  readonly waiting: number;
}

export interface EnqueueDeps {
  ledger: Ledger;
  dispatcher: Dispatcher;
  timeoutMs: number;
  onBatch?(lane: "plain" | "keyed" | "many", size: number): void;
}

/**
 * Two batches in flight: one is dispatched while the next one commits; more batches gained nothing. 256 concurrent
 * clients fill two batches of 96; of batches of 128, every other one was half empty.
 */
const single = {
  maxEntries: 96,
  maxBytes: 4_000_000,
  maxInFlight: 2,
  flushMs: 0,
  maxWaiting: 10_000,
  maxWaitingBytes: 64_000_000,
};
const bulk = {
  maxEntries: 1,
  maxBytes: Number.POSITIVE_INFINITY,
  maxInFlight: 2,
  flushMs: 0,
  // Most requests are small; the byte limit bounds large ones.
  maxWaiting: 200,
  maxWaitingBytes: 128_000_000,
};

/** Creates the batched enqueue, with separate batchers for plain, keyed and bulk requests. */
export function createEnqueue({ ledger, dispatcher, timeoutMs, onBatch }: EnqueueDeps): Enqueue {
  const plain = createBatcher<NewJob, Enqueued>({
    ...single,
    timeoutMs,
    getBytes: (job) => job.data.length,
    run: (jobs, deadline) => {
      onBatch?.("plain", jobs.length);
      return runIsolating(
        jobs,
        async (part): Promise<Enqueued[]> => {
          const createdAt = await ledger.retryUntil((sql) => insertNewJobs(sql, part), deadline);
          const dispatched = await dispatcher.dispatch(part);
          return part.map((job) => ({
            ...toEntry(job, { status: "created", createdAt }),
            isDispatched: dispatched.has(job),
          }));
        },
        isRowFault,
        () => ({ status: "unstorable" }),
      );
    },
  });

  // A separate batcher, so that jobs without a key never wait for another request's key.
  const keyed = createBatcher<SingleEntry, Enqueued>({
    ...single,
    // One batch at a time, so that a replay sees the response of the previous batch.
    maxInFlight: 1,
    timeoutMs,
    getBytes: (entry) => entry.job.data.length,
    run: (entries, deadline) => {
      onBatch?.("keyed", entries.length);
      return runIsolating(
        entries,
        (part) => enqueueKeyed(part, deadline, part === entries),
        (error) => isRowFault(error) || isRowLockTimeout(error),
        (_, error) => (isLockTimeout(error) ? toLockRefusal(error) : { status: "unstorable" }),
      );
    },
  });

  const requests = createBatcher<BulkRequest, EnqueuedMany>({
    ...bulk,
    timeoutMs,
    getBytes: ({ jobs }) => jobs.reduce((sum, job) => sum + job.data.length, 0),
    run: async (batch, deadline) => {
      const outcomes: EnqueuedMany[] = [];
      for (const request of batch) {
        onBatch?.("many", request.jobs.length);
        outcomes.push(await enqueueBulk(request, deadline));
      }
      return outcomes;
    },
  });

  /** Returns a predicate for queues that are expected to be dispatchable, as of now. */
  function expectDispatchable(jobs: readonly NewJob[]): (queue: string) => boolean {
    const queues = new Set(jobs.map(({ queue }) => queue));
    const dispatchable = new Set([...queues].filter((queue) => dispatcher.isDispatchable(queue)));
    return (queue) => dispatchable.has(queue);
  }

  async function enqueueKeyed(
    part: readonly SingleEntry[],
    deadline: number,
    isWhole: boolean,
  ): Promise<Enqueued[]> {
    const isDispatchable = expectDispatchable(part.map(({ job }) => job));
    const recorded = await ledger.retryUntil(
      (sql) =>
        sql.begin(async (tx) => {
          // The whole batch has already waited once; the search for the blocking entry must be short.
          if (!isWhole) await tx`set local lock_timeout = 50`;
          return insertEntries(tx, part, isDispatchable, dispatcher.removeWaiting);
        }),
      deadline,
    );
    await dispatcher.removeFromRedis(recorded.flatMap(replacedBy));
    const created = part.filter((_, index) => isNew(recorded[index])).map((entry) => entry.job);
    const dispatched = await dispatcher.dispatch(created);
    const corrections = new Map<string, IdempotencyClaim & { response: StoredResponse }>();
    const outcomes = part.map(({ job, claim }, index): Enqueued => {
      const entry = recorded[index] ?? { status: "in-use" };
      if (entry.status !== "accepted") return entry;
      const isDispatched = !entry.isNew || dispatched.has(job);
      if (entry.isNew && isDispatched !== isDispatchable(job.queue) && claim) {
        corrections.set(identity(claim), {
          ...claim,
          response: toResponse(entry.job, isDispatched),
        });
      }
      return { ...entry, isDispatched };
    });
    if (corrections.size === 0) return outcomes;
    await ledger.retryUntil((sql) => storeResponses(sql, [...corrections.values()]), deadline);
    return outcomes.map((outcome, index) => {
      const claim = part[index]?.claim;
      const response = claim && corrections.get(identity(claim))?.response;
      return outcome.status === "replayed" && response ? { status: "replayed", response } : outcome;
    });
  }

  async function enqueueBulk(request: BulkRequest, deadline: number): Promise<EnqueuedMany> {
    const { jobs, claim } = request;
    const isDispatchable = jobs.every(({ queue }) => dispatcher.isDispatchable(queue));
    let tries = 0;
    try {
      const recorded = await ledger.retryUntil((sql) => {
        tries += 1;
        const { removeWaiting } = dispatcher;
        return insertBulk(sql, request, { isDispatchable, isRepeated: tries > 1, removeWaiting });
      }, deadline);
      if (recorded.status !== "accepted") return recorded;
      await dispatcher.removeFromRedis(recorded.jobs.flatMap(replacedBy));
      const created = jobs.filter((_, index) => isNew(recorded.jobs[index]));
      const isDispatched = (await dispatcher.dispatch(created)).size === created.length;
      if (isDispatched !== isDispatchable && claim && request.toResponse) {
        const response = request.toResponse(recorded.jobs, isDispatched);
        await ledger.retryUntil((sql) => storeResponses(sql, [{ ...claim, response }]), deadline);
      }
      return { ...recorded, isDispatched };
    } catch (error) {
      const refused = isRowFault(error) ? await findRefused(ledger, jobs, deadline) : [];
      if (refused.length > 0) return { status: "unstorable", jobs: refused };
      if (isLockTimeout(error)) return toLockRefusal(error);
      throw error;
    }
  }

  return {
    one(entry) {
      dispatcher.reserve(entry.job.queue);
      return entry.claim === undefined && entry.job.key === null
        ? plain.submit(entry.job)
        : keyed.submit(entry);
    },
    async many(request) {
      for (const queue of new Set(request.jobs.map((job) => job.queue))) dispatcher.reserve(queue);
      return requests.submit(request);
    },
    drained: () => Promise.all([plain.drained(), keyed.drained(), requests.drained()]),
    get waiting() {
      return plain.waiting + keyed.waiting + requests.waiting;
    },
  };
}

function toLockRefusal(error: unknown): Refused {
  return { status: isIdempotencyKeyInUse(error) ? "in-use" : "busy" };
}

function replacedBy(entry: InsertedEntry): CancelledJob[] {
  return entry.status === "accepted" && entry.replaced ? [entry.replaced] : [];
}

function isNew(entry: InsertedEntry | undefined): boolean {
  return entry?.status === "accepted" && entry.isNew;
}
