import type { Sql } from "postgres";
import { isTransient, LedgerTimeout } from "./errors.ts";

export interface Ledger {
  /** Runs statements; throws `LedgerTimeout` when they take longer than the limit. */
  run<Result>(work: (sql: Sql) => Promise<Result>, timeoutMs?: number): Promise<Result>;
  /** As `run`, again and again while the failure is transient; nothing runs past `deadline` (performance.now()). */
  repeat<Result>(work: (sql: Sql) => Promise<Result>, deadline: number): Promise<Result>;
  close(): Promise<void>;
}

/**
 * A pool of connections that a frozen Postgres cannot hold: on a time-out every connection is destroyed and a new pool opened.
 * @param open makes a postgres.js client; called again after a time-out
 */
export function createLedger(open: () => Sql, settings: { timeoutMs: number }): Ledger {
  let sql = open();
  // Work that nobody may be left to wait for is not begun: running out of time costs every connection.
  const leastMs = settings.timeoutMs / 10;

  async function run<Result>(
    work: (client: Sql) => Promise<Result>,
    timeoutMs = settings.timeoutMs,
  ): Promise<Result> {
    const client = sql;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      if (client === sql) sql = open();
      reject(new LedgerTimeout(timeoutMs));
      void client.end({ timeout: 0 });
    }, timeoutMs);
    try {
      return await Promise.race([work(client), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async function repeat<Result>(
    work: (client: Sql) => Promise<Result>,
    deadline: number,
  ): Promise<Result> {
    for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 2, 500)) {
      const leftMs = deadline - performance.now();
      if (leftMs < leastMs) throw new LedgerTimeout(settings.timeoutMs);
      try {
        // No longer than the callers wait: what they were told is unknown must not be stored much later.
        return await run(work, Math.min(settings.timeoutMs, leftMs));
      } catch (error) {
        if (!isTransient(error) || performance.now() + pauseMs >= deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  return {
    run,
    repeat,
    // Bounded, because postgres.js waits in vain for a connection that broke off in the middle of a query.
    close: () => sql.end({ timeout: 1 }),
  };
}
