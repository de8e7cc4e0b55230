/** Two batches of the settler: with fewer, handlers wait for Postgres; with more, jobs are settled no faster. */
const maxSettling = 200;

/** The slots of a worker: each holds a job whose handler runs. */
export interface Slots {
  /** Number of jobs that may be taken. */
  readonly free: number;
  /** Keeps slots for the jobs that a call, or the wait for the marker, may bring. */
  reserve(count: number): void;
  unreserve(count: number): void;
  /** Takes a slot for a handler. The returned function frees the slot; further calls do nothing. */
  occupy(): () => void;
}

/**
 * Creates the slots. Further jobs may wait to be settled, up to a limit.
 * @param running jobs that are handled or settled
 * @param onFree called after slots were freed, when the promises of this turn of the event loop have run
 */
export function createSlots(
  concurrency: number,
  running: ReadonlySet<unknown>,
  onFree: () => void,
): Slots {
  // A single slot handles jobs in order: each is settled before the next one starts.
  const maxRunning = concurrency + Math.min(maxSettling, 2 * (concurrency - 1));
  let handling = 0;
  let reserved = 0;
  return {
    get free() {
      return Math.min(concurrency - handling, maxRunning - running.size) - reserved;
    },
    reserve: (count) => void (reserved += count),
    unreserve: (count) => void (reserved -= count),
    occupy() {
      handling += 1;
      let isOccupied = true;
      return () => {
        if (!isOccupied) return;
        isOccupied = false;
        handling -= 1;
        process.nextTick(onFree);
      };
    },
  };
}
