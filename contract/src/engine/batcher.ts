import { createDrainRate } from "./drain-rate.ts";

export type BatchRefusal = "full" | "timeout";

/**
 * `full`: the entry was rejected. `timeout`: a waiting entry was not executed; if its batch was executing, the outcome
 * is unknown.
 */
export class BatchRefused extends Error {
  readonly reason: BatchRefusal;
  /** Estimated time until the current backlog is flushed; undefined if the drain rate is unknown. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: BatchRefusal, retryAfterMs?: number) {
    super(`batch refused an entry: ${reason}`);
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface BatchSettings<Entry, Outcome> {
  /**
   * Executes a batch; returns one outcome per entry, in order. A rejection goes to every caller of the batch. After
   * `deadline` (performance.now()), the callers have already been rejected with an unknown outcome.
   */
  run(entries: readonly Entry[], deadline: number): Promise<readonly Outcome[]>;
  getBytes(entry: Entry): number;
  /** High-water mark of one batch. */
  maxEntries: number;
  maxBytes: number;
  /** Maximum number of concurrent batches. */
  maxInFlight: number;
  /** Maximum batching delay while another batch executes; without one, a batch is flushed at once. */
  flushMs: number;
  /**
   * While batches have this many entries on average, `flushMs` also applies if no batch executes: callers whose entries
   * shared a batch submit their next entries together, and a batch with the first one alone costs almost as much as one
   * with all of them.
   */
  lingerEntries?: number;
  /**
   * Schedules the flush of a batch that is not full, so that the entries of one turn of the event loop share it; by default
   * as a microtask, which separates entries that are submitted a different number of promises later.
   */
  defer?(flush: () => void): unknown;
  /** Maximum number of waiting entries; `submit` rejects further entries. */
  maxWaiting: number;
  maxWaitingBytes: number;
  /** How long a caller waits for an outcome; no limit if undefined. */
  timeoutMs?: number;
}

export interface Batcher<Entry, Outcome> {
  /** @param since when the caller began to wait (performance.now()), if not now */
  submit(entry: Entry, since?: number): Promise<Outcome>;
  /** Resolves when no entry waits and no batch executes. */
  drained(): Promise<void>;
  readonly waiting: number;
}

interface Item<Entry, Outcome> {
  entry: Entry;
  bytes: number;
  submittedAt: number;
  resolve(outcome: Outcome): void;
  reject(error: unknown): void;
}

/** Creates a group-commit batcher: entries that arrive while a batch executes share the next batch. */
export function createBatcher<Entry, Outcome>(
  settings: BatchSettings<Entry, Outcome>,
): Batcher<Entry, Outcome> {
  type Waiting = Item<Entry, Outcome>;
  const { timeoutMs, defer = queueMicrotask, lingerEntries = Number.POSITIVE_INFINITY } = settings;
  let waiting: Waiting[] = [];
  let waitingBytes = 0;
  let inFlight = 0;
  /** Moving average of the entries per batch. */
  let usualEntries = 0;
  let isFlushScheduled = false;
  let flushTimer: ReturnType<typeof setTimeout> | undefined;
  let expiryTimer: ReturnType<typeof setTimeout> | undefined;
  let drainWaiters: (() => void)[] = [];
  const drainRate = createDrainRate();

  function submit(entry: Entry, since = performance.now()): Promise<Outcome> {
    const bytes = settings.getBytes(entry);
    if (
      waiting.length >= settings.maxWaiting ||
      (waiting.length > 0 && waitingBytes + bytes > settings.maxWaitingBytes)
    ) {
      return Promise.reject(refusal("full"));
    }
    return new Promise((resolve, reject) => {
      waiting.push({ entry, bytes, submittedAt: since, resolve, reject });
      waitingBytes += bytes;
      armExpiry();
      scheduleFlush();
    });
  }

  function scheduleFlush() {
    if (isFlushScheduled || waiting.length === 0 || inFlight >= settings.maxInFlight) return;
    if ((inFlight > 0 || usualEntries >= lingerEntries) && !isFull()) {
      flushTimer ??= setTimeout(() => {
        flushTimer = undefined;
        flush();
      }, settings.flushMs);
      return;
    }
    isFlushScheduled = true;
    const schedule = isFull() ? queueMicrotask : defer;
    schedule(() => {
      isFlushScheduled = false;
      flush();
    });
  }

  function isFull() {
    return waiting.length >= settings.maxEntries || waitingBytes >= settings.maxBytes;
  }

  function flush() {
    if (waiting.length === 0 || inFlight >= settings.maxInFlight) return;
    clearTimeout(flushTimer);
    flushTimer = undefined;
    void executeBatch(take());
    scheduleFlush();
  }

  function take(): Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const item of waiting) {
      if (count === settings.maxEntries) break;
      if (count > 0 && bytes + item.bytes > settings.maxBytes) break;
      bytes += item.bytes;
      count += 1;
    }
    waitingBytes -= bytes;
    return waiting.splice(0, count);
  }

  async function executeBatch(items: Waiting[]) {
    inFlight += 1;
    usualEntries = (usualEntries + items.length) / 2;
    const startedAt = performance.now();
    const oldest = items.reduce((at, item) => Math.min(at, item.submittedAt), startedAt);
    const deadline = oldest + (timeoutMs ?? Number.POSITIVE_INFINITY);
    const timer =
      timeoutMs === undefined ? undefined : setTimeout(() => refuse(items), untilMs(deadline));
    try {
      const outcomes = await settings.run(
        items.map((item) => item.entry),
        deadline,
      );
      if (outcomes.length !== items.length) throw new Error("a batch lost outcomes");
      const bytes = items.reduce((sum, item) => sum + item.bytes, 0);
      drainRate.note(bytes, startedAt, performance.now());
      // oxlint-disable-next-line no-non-null-assertion -- the lengths are equal
      items.forEach((item, index) => item.resolve(outcomes[index]!));
    } catch (error) {
      for (const item of items) item.reject(error);
    } finally {
      clearTimeout(timer);
      inFlight -= 1;
      scheduleFlush();
      if (isIdle()) {
        // A pending timer would keep an idle process alive.
        clearTimeout(expiryTimer);
        expiryTimer = undefined;
        for (const done of drainWaiters) done();
        drainWaiters = [];
      }
    }
  }

  function armExpiry() {
    if (timeoutMs === undefined || expiryTimer !== undefined || waiting.length === 0) return;
    expiryTimer = setTimeout(
      () => {
        expiryTimer = undefined;
        const late = waiting.findIndex((item) => untilMs(item.submittedAt + timeoutMs) > 0);
        const expired = waiting.splice(0, late === -1 ? waiting.length : late);
        for (const item of expired) waitingBytes -= item.bytes;
        refuse(expired);
        armExpiry();
      },
      untilMs((waiting[0]?.submittedAt ?? 0) + timeoutMs),
    );
  }

  function refuse(items: readonly Waiting[]) {
    for (const item of items) item.reject(refusal("timeout"));
  }

  function refusal(reason: BatchRefusal) {
    return new BatchRefused(reason, drainRate.msFor(waitingBytes));
  }

  function isIdle() {
    return waiting.length === 0 && inFlight === 0;
  }

  return {
    submit,
    drained: () =>
      isIdle() ? Promise.resolve() : new Promise((resolve) => drainWaiters.push(resolve)),
    get waiting() {
      return waiting.length;
    },
  };
}

function untilMs(moment: number) {
  return Math.max(0, moment - performance.now());
}

/**
 * Executes a batch; if the batch fails because of one entry, bisects the batch until only that entry fails and gets the
 * outcome `faulted`. Rethrows all other errors.
 */
export async function runIsolating<Entry, Outcome>(
  entries: readonly Entry[],
  run: (entries: readonly Entry[]) => Promise<readonly Outcome[]>,
  isEntryFault: (error: unknown) => boolean,
  faulted: (entry: Entry, error: unknown) => Outcome,
): Promise<readonly Outcome[]> {
  try {
    return await run(entries);
  } catch (error) {
    if (!isEntryFault(error)) throw error;
    const [only] = entries;
    if (entries.length === 1 && only !== undefined) return [faulted(only, error)];
    const half = Math.ceil(entries.length / 2);
    const first = await runIsolating(entries.slice(0, half), run, isEntryFault, faulted);
    const second = await runIsolating(entries.slice(half), run, isEntryFault, faulted);
    return [...first, ...second];
  }
}
