import { createBatcher } from "../../batcher.ts";

export interface BatchSize {
  maxEntries: number;
  /** Maximum batching delay while another batch executes. */
  flushMs: number;
}

export interface LedgerBatchSettings<Entry, Outcome> extends BatchSize {
  /** Size of an entry in the statement; entries without a size count as 0. */
  getBytes?(entry: Entry): number;
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
  return createBatcher<Entry, Outcome>({
    getBytes: () => 0,
    // The jobs of one turn reach a statement a different number of promises later.
    defer: setImmediate,
    maxInFlight: 2,
    maxBytes,
    maxWaiting: Number.POSITIVE_INFINITY,
    maxWaitingBytes: Number.POSITIVE_INFINITY,
    ...settings,
  });
}
