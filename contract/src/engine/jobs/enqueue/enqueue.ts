import { createBatcher, runIsolating } from "../../batcher.ts";
import { isLockTimeout, isRowFault } from "../../postgres/errors.ts";
import { storeResponses } from "../../postgres/idempotency.ts";
import { insertNewJobs } from "../insert/insert-jobs.ts";
import type { Ledger } from "../../postgres/pool.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { createKeyedEnqueue } from "./enqueue-keyed.ts";
import { GraphKeyTaken } from "../graph/insert-graph.ts";
import type { NewJob } from "./new-job.ts";
import { allJobs, type BulkRequest, findRefused, insertBulk } from "../insert/insert-bulk.ts";
import {
  type Accepted,
  type Enqueued,
  type Refused,
  type SingleEntry,
  toEntry,
  isNew,
  replacedBy,
  toLockRefusal,
} from "../insert/insert-entries.ts";

export type EnqueuedMany =
  | { status: "accepted"; jobs: Accepted[]; isDispatched: boolean }
  | Refused
  /** Postgres cannot store these jobs; none was stored. */
  | { status: "unstorable"; jobs: NewJob[] }
  /** Another job has the key of a job in the graph; nothing was stored. */
  | { status: "key-taken"; job: NewJob; existing: string };

export type RecordedMany =
  /** `dispatched` resolves to whether all of the jobs are in Redis. */
  | { status: "accepted"; jobs: Accepted[]; dispatched: Promise<boolean> }
  | Exclude<EnqueuedMany, { status: "accepted" }>;

/**
 * Records jobs in the ledger, then dispatches them. Throws or rejects with `BatchRefused` at capacity or after the
 * deadline.
 */
export interface Enqueue {
  one(entry: SingleEntry): Promise<Enqueued>;
  /** Records all jobs of a request in one transaction. */
  many(request: BulkRequest): Promise<EnqueuedMany>;
  /** Does the same as `many`, but resolves when the jobs are recorded. */
  record(request: BulkRequest): Promise<RecordedMany>;
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
  // A microtask runs between the requests of one read of the sockets: the first of them would get a batch of its own.
  defer: setImmediate,
  // Otherwise 64 clients fill batches of 1 and 63 in turn. With 16 clients, the wait would cost more than it saves.
  lingerEntries: 16,
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

interface BulkEntry {
  request: BulkRequest;
  onRecorded?(jobs: Accepted[]): void;
}

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
          return part.map((job) => {
            const { status, isNew, job: accepted } = toEntry(job, { status: "created", createdAt });
            return { status, isNew, job: accepted, isDispatched: dispatched.has(job) };
          });
        },
        isRowFault,
        () => ({ status: "unstorable" }),
      );
    },
  });

  // Separate batchers, so that jobs without a key never wait for another request's key.
  const keyed = createKeyedEnqueue(
    { ledger, dispatcher, timeoutMs, onBatch: (size) => onBatch?.("keyed", size) },
    single,
  );

  const requests = createBatcher<BulkEntry, EnqueuedMany>({
    ...bulk,
    timeoutMs,
    getBytes: ({ request }) => request.jobs.reduce((sum, job) => sum + job.data.length, 0),
    run: async (batch, deadline) => {
      const outcomes: EnqueuedMany[] = [];
      for (const entry of batch) {
        onBatch?.("many", entry.request.jobs.length);
        outcomes.push(await enqueueBulk(entry, deadline));
      }
      return outcomes;
    },
  });

  async function enqueueBulk(
    { request, onRecorded }: BulkEntry,
    deadline: number,
  ): Promise<EnqueuedMany> {
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
      onRecorded?.(recorded.jobs);
      await dispatcher.removeFromRedis(recorded.jobs.flatMap(replacedBy));
      const created = jobs.filter(
        (job, index) => !job.waitsForChildren && isNew(recorded.jobs[index]),
      );
      const isDispatched = (await dispatcher.dispatch(created)).size === created.length;
      if (isDispatched !== isDispatchable && claim && request.toResponse) {
        const response = request.toResponse(recorded.jobs, isDispatched);
        await ledger.retryUntil((sql) => storeResponses(sql, [{ ...claim, response }]), deadline);
      }
      return { ...recorded, isDispatched };
    } catch (error) {
      const refused = isRowFault(error)
        ? await findRefused(ledger, allJobs(request), deadline)
        : [];
      if (refused.length > 0) return { status: "unstorable", jobs: refused };
      if (isLockTimeout(error)) return toLockRefusal(error);
      if (error instanceof GraphKeyTaken) {
        return { status: "key-taken", job: error.job, existing: error.existing };
      }
      throw error;
    }
  }

  async function submitBulk(entry: BulkEntry): Promise<EnqueuedMany> {
    for (const queue of new Set(entry.request.jobs.map((job) => job.queue))) {
      dispatcher.reserve(queue);
    }
    return requests.submit(entry);
  }

  return {
    one(entry) {
      dispatcher.reserve(entry.job.queue);
      return entry.claim === undefined && entry.job.key === null
        ? plain.submit(entry.job)
        : keyed.one(entry);
    },
    many: (request) => submitBulk({ request }),
    async record(request) {
      const { promise: recorded, resolve: onRecorded } = Promise.withResolvers<Accepted[]>();
      const enqueued = submitBulk({ request, onRecorded });
      // The jobs are recorded: the reconciler dispatches them if this dispatch failed or took too long.
      const dispatched = enqueued.then(
        (outcome) => outcome.status === "accepted" && outcome.isDispatched,
        () => false,
      );
      const accepted = recorded.then((jobs): RecordedMany => ({
        status: "accepted",
        jobs,
        dispatched,
      }));
      const refused = enqueued.then((outcome): RecordedMany | Promise<RecordedMany> =>
        outcome.status === "accepted" ? accepted : outcome,
      );
      return Promise.race([accepted, refused]);
    },
    drained: () => Promise.all([plain.drained(), keyed.drained(), requests.drained()]),
    get waiting() {
      return plain.waiting + keyed.waiting + requests.waiting;
    },
  };
}
