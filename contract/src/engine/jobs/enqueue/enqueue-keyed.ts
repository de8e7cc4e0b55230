import { type BatchSettings, createBatcher, runIsolating } from "../../batcher.ts";
import { isLockTimeout } from "../../postgres/errors.ts";
import {
  type IdempotencyClaim,
  type StoredResponse,
  storeResponses,
} from "../../postgres/idempotency.ts";
import { insertWithKeys } from "../insert/insert-with-keys.ts";
import type { Ledger } from "../../postgres/pool.ts";
import type { Dispatcher } from "./dispatcher.ts";
import {
  type Enqueued,
  identity,
  insertEntries,
  isNew,
  replacedBy,
  type SingleEntry,
  toEntry,
  toLockRefusal,
  toResponse,
} from "../insert/insert-entries.ts";
import {
  type Contended,
  type Found,
  isEntryFault,
  type KeyedEntry,
  toConflicting,
  toContended,
  toFaulted,
} from "./keyed-faults.ts";
import { createKeysInUse } from "./keys-in-use.ts";
import { toAcceptedJob } from "./new-job.ts";

type Correction = IdempotencyClaim & { response: StoredResponse };

/** A batch waits this long for a row that another transaction holds. */
const shortLockMs = 10;
/** The whole batch has already waited once; the search for the blocking entry must be short. */
const searchLockMs = 50;

export interface KeyedEnqueueDeps {
  ledger: Ledger;
  dispatcher: Dispatcher;
  timeoutMs: number;
  onBatch(size: number): void;
}

export interface KeyedEnqueue {
  one(entry: SingleEntry): Promise<Enqueued>;
  drained(): Promise<unknown>;
  readonly waiting: number;
}

/**
 * Creates the enqueue of jobs with keys or Idempotency-Keys. An entry whose keys nobody uses is inserted by a statement
 * that assumes no conflict. Conflicting entries are resolved in a transaction, and entries whose keys another transaction
 * holds wait for it; each lane has its own batches, so that other entries do not wait for them.
 */
export function createKeyedEnqueue(
  { ledger, dispatcher, timeoutMs, onBatch }: KeyedEnqueueDeps,
  batchSize: Pick<
    BatchSettings<never, never>,
    "maxEntries" | "maxBytes" | "maxWaiting" | "maxWaitingBytes" | "defer"
  >,
): KeyedEnqueue {
  const keysInUse = createKeysInUse();
  const lane = {
    ...batchSize,
    flushMs: 0,
    timeoutMs,
    getBytes: ({ job }: SingleEntry) => job.data.length,
  };

  const assumedNew = createBatcher<KeyedEntry, Found>({
    ...lane,
    maxInFlight: 2,
    run(entries, deadline) {
      onBatch(entries.length);
      return runIsolating(
        entries,
        (part) =>
          enqueueNew(part, deadline)
            .catch((error) => toConflicting(part, error))
            .catch((error) => toContended(part, error)),
        isEntryFault,
        toFaulted,
      );
    },
  });

  const conflicting = createBatcher<KeyedEntry, Enqueued | Contended>({
    ...lane,
    // One batch at a time, so that a replay sees the response of the previous batch.
    maxInFlight: 1,
    async run(entries, deadline) {
      onBatch(entries.length);
      await firstEnded(entries);
      return runIsolating(
        entries,
        (part) =>
          resolveConflicts(part, deadline, shortLockMs).catch((error) => toContended(part, error)),
        isEntryFault,
        toFaulted,
      );
    },
  });

  const contended = createBatcher<KeyedEntry, Enqueued>({
    ...lane,
    maxInFlight: 1,
    async run(entries, deadline) {
      onBatch(entries.length);
      await firstEnded(entries);
      return runIsolating(
        entries,
        (part) => resolveConflicts(part, deadline, part === entries ? undefined : searchLockMs),
        isEntryFault,
        (_, error) => (isLockTimeout(error) ? toLockRefusal(error) : { status: "unstorable" }),
      );
    },
  });

  /** Returns a predicate for queues that are expected to be dispatchable, as of now. */
  function expectDispatchable(entries: readonly SingleEntry[]): (queue: string) => boolean {
    const queues = new Set(entries.map(({ job }) => job.queue));
    const dispatchable = new Set([...queues].filter((queue) => dispatcher.isDispatchable(queue)));
    return (queue) => dispatchable.has(queue);
  }

  async function enqueueNew(part: readonly SingleEntry[], deadline: number): Promise<Found[]> {
    const isDispatchable = expectDispatchable(part);
    const entries = part.map(({ job, claim }) => {
      if (claim === undefined) return { job };
      const accepted = toAcceptedJob({ ...job, status: "pending", createdAt: "" }, "created");
      return { job, stored: { claim, response: toResponse(accepted, isDispatchable(job.queue)) } };
    });
    const recorded = await ledger.retryUntil((sql) => insertWithKeys(sql, entries), deadline);
    const created = part.filter((_, index) => recorded[index]?.status === "created");
    const dispatched = await dispatcher.dispatch(created.map(({ job }) => job));
    const corrections: Correction[] = [];
    const outcomes = part.map(({ job, claim }, index): Found => {
      const outcome = recorded[index] ?? { status: "conflicting" };
      if (outcome.status === "stored") return { ...outcome, status: "replayed" };
      if (outcome.status === "duplicate") return { ...toEntry(job, outcome), isDispatched: true };
      if (outcome.status !== "created") return outcome;
      const entry = toEntry(job, outcome);
      const isDispatched = dispatched.has(job);
      if (isDispatched !== isDispatchable(job.queue) && claim) {
        corrections.push({ ...claim, response: toResponse(entry.job, isDispatched) });
      }
      return { ...entry, isDispatched };
    });
    if (corrections.length > 0) {
      await ledger.retryUntil((sql) => storeResponses(sql, corrections), deadline);
    }
    return outcomes;
  }

  async function resolveConflicts(
    part: readonly SingleEntry[],
    deadline: number,
    lockMs: number | undefined,
  ): Promise<Enqueued[]> {
    const isDispatchable = expectDispatchable(part);
    const recorded = await ledger.retryUntil(
      (sql) =>
        sql.begin(async (tx) => {
          if (lockMs !== undefined) {
            await tx`select set_config('lock_timeout', ${String(lockMs)}, true)`;
          }
          return insertEntries(tx, part, isDispatchable, dispatcher.removeWaiting);
        }),
      deadline,
    );
    await dispatcher.removeFromRedis(recorded.flatMap(replacedBy));
    const created = part.filter((_, index) => isNew(recorded[index])).map((entry) => entry.job);
    const dispatched = await dispatcher.dispatch(created);
    const corrections = new Map<string, Correction>();
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

  async function enqueueOne(entry: KeyedEntry): Promise<Enqueued> {
    const { job, keys } = entry;
    const since = performance.now();
    let outcome: Found = { status: "conflicting" };
    // Opening a dedup window takes a transaction.
    if (keys.every(({ entries }) => entries === 1) && job.dedupWindowMs === null) {
      const first = assumedNew.submit(entry, since);
      for (const key of keys) key.first = first;
      outcome = await first;
    } else if (keys.some(({ isContended }) => isContended)) {
      outcome = { status: "contended" };
    }
    const resolved =
      outcome.status === "conflicting" ? await conflicting.submit(entry, since) : outcome;
    if (resolved.status !== "contended") return resolved;
    for (const key of keys) key.isContended = true;
    return contended.submit(entry, since);
  }

  return {
    async one(entry) {
      const keys = keysInUse.enter(entry);
      try {
        return await enqueueOne({ ...entry, keys });
      } finally {
        keysInUse.leave(keys);
      }
    },
    async drained() {
      // In the order of an entry that passes all lanes.
      await assumedNew.drained();
      await conflicting.drained();
      await contended.drained();
    },
    get waiting() {
      return assumedNew.waiting + conflicting.waiting + contended.waiting;
    },
  };
}

/** Waits for the first users of the keys, whose outcomes decide the conflicts. */
async function firstEnded(entries: readonly KeyedEntry[]): Promise<void> {
  const firsts = entries.flatMap(({ keys }) =>
    keys.flatMap(({ first }) => (first === undefined ? [] : [first])),
  );
  await Promise.allSettled(firsts);
}
