import { setTimeout as sleep } from "node:timers/promises";

import type { Sql } from "postgres";

/** Back-pressure: how many jobs may be enqueued so that consumers keep up. */
export interface Backlog {
  /** Resolves when so many jobs may be enqueued; rejects when `signal` is aborted. */
  take(count: number, signal: AbortSignal): Promise<void>;
  /** As counted last. */
  readonly pending: number;
}

const everyMs = 250;

/** Keeps about `limit` jobs pending, counted in the ledger. While that cannot be counted, nothing is granted. */
export function createBacklog(sql: Sql, limit: number, signal: AbortSignal): Backlog {
  const budget = { credit: 0, pending: 0 };

  async function refill() {
    while (!signal.aborted) {
      try {
        const [row] = await sql<[{ pending: number }]>`
          select count(*)::int as pending from jobs where status = 'pending' and run_at is null`;
        budget.pending = row.pending;
        budget.credit = Math.max(0, limit - row.pending);
      } catch {
        budget.credit = 0;
      }
      await sleep(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  void refill();
  return {
    get pending() {
      return budget.pending;
    },
    async take(count, ending) {
      while (budget.credit <= 0) await sleep(everyMs / 5, undefined, { signal: ending });
      budget.credit -= count;
    },
  };
}
