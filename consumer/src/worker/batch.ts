import { createBatcher } from "@toril/contract/engine/batcher";

export interface BatchSize {
  maxEntries: number;
  /** Maximum batching delay while another batch executes. */
  flushMs: number;
}

export interface LedgerBatchSettings<Entry, Outcome> extends BatchSize {
  /** Size of an entry in the statement; entries without a size count as 0. */
  bytesOf?(entry: Entry): number;
  /** Maximum number of concurrent batches. */
  maxInFlight?: number;
  /** Executes a batch; returns one outcome per entry, in order. */
  run(entries: readonly Entry[]): Promise<readonly Outcome[]>;
}

/** Maximum size of one statement; a larger entry is written alone. */
const maxBytes = 4_000_000;

/**
 * Creates a batcher for statements on behalf of active jobs. The number of waiting entries is unbounded: the worker's
 * concurrency limits it.
 */
export function createLedgerBatcher<Entry, Outcome>(
  settings: LedgerBatchSettings<Entry, Outcome>,
): { submit(entry: Entry): Promise<Outcome>; drained(): Promise<void> } {
  const { submit, drained } = createBatcher<Entry, Outcome>({
    bytesOf: () => 0,
    maxInFlight: 2,
    maxBytes,
    maxWaiting: Number.POSITIVE_INFINITY,
    maxWaitingBytes: Number.POSITIVE_INFINITY,
    ...settings,
  });
  return { submit: groupByTurn(submit), drained };
}

/**
 * Submits all entries of one event loop turn at once. BullMQ starts the jobs of one reply one after the other, each
 * some promises later; otherwise every batch would be split into one job and the rest.
 */
export function groupByTurn<Entry, Outcome>(
  submit: (entry: Entry) => Promise<Outcome>,
): (entry: Entry) => Promise<Outcome> {
  let waiting: (() => void)[] = [];

  function submitAll() {
    const all = waiting;
    waiting = [];
    for (const submitEntry of all) submitEntry();
  }

  return (entry) =>
    new Promise((resolve) => {
      if (waiting.length === 0) setImmediate(submitAll);
      waiting.push(() => resolve(submit(entry)));
    });
}
