import type { Dispatch } from "@toril/contract/engine/redis/dispatch";
import type { Ledger } from "@toril/contract/engine/postgres/pool";

/** Wraps a ledger to measure shared writes, retries included. */
export function timeLedger(ledger: Ledger, onWrite: (ms: number) => void): Ledger {
  return {
    ...ledger,
    retryUntil: (work, deadline) => timed(() => ledger.retryUntil(work, deadline), onWrite),
  };
}

export function timePlace(place: Dispatch, onPlaced: (ms: number) => void): Dispatch {
  return (queue, jobs) => timed(() => place(queue, jobs), onPlaced);
}

/** Failures count too: slow ones are what one looks for. */
async function timed<Result>(work: () => Promise<Result>, tell: (ms: number) => void) {
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    tell(performance.now() - startedAt);
  }
}
