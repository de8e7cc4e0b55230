import type { Logger } from "pino";
import { sleep } from "../wait.ts";
import type { Leadership } from "../reconciler/leadership.ts";
import type { DeleteResult } from "./ended-jobs.ts";
import type { RetentionAges } from "./config.ts";
import { readOldest, type Retainable, deleteStatements } from "./retention-statements.ts";

export interface RetentionDeps {
  ages: RetentionAges;
  intervalMs: number;
  /** Rows per statement. */
  batchSize?: number;
  log: Pick<Logger, "info" | "warn">;
  onDeleted?(what: Retainable, count: number): void;
  onOldest?(what: Retainable, seconds: number | null): void;
  onFailed?(): void;
  onEnd?(): void;
}

/** Rows that are examined and kept may take a fiftieth of the time of the connection. */
const pausePerWastedMs = 50;

/** Deletes rows that have reached their retention age, while this process is the leader. Never rejects. */
export function createRetention(deps: RetentionDeps): (leadership: Leadership) => Promise<void> {
  const { ages, intervalMs, batchSize = 1000, log } = deps;

  const nextPassAt = new Map<Retainable, number>();

  async function deleteInBatches(what: Retainable, ageMs: number, { run, signal }: Leadership) {
    let total = 0;
    let wastedMs = 0;
    let after: string | undefined;
    do {
      const startedAt = performance.now();
      const batch = { ageMs, size: batchSize, after };
      const {
        count,
        kept = 0,
        next,
      }: DeleteResult = await run((sql) => deleteStatements[what](sql, batch));
      total += count;
      deps.onDeleted?.(what, count);
      const elapsedMs = performance.now() - startedAt;
      if (kept > 0) wastedMs += (elapsedMs * kept) / (kept + count);
      after = next;
      // Work at most half of the time: the reconciler shares the connection.
      if (after !== undefined) await sleep(elapsedMs, signal);
    } while (after !== undefined && !signal.aborted);
    // Jobs that ended long after their creation are examined in every pass until they are due.
    nextPassAt.set(what, performance.now() + wastedMs * pausePerWastedMs);
    return total;
  }

  async function deleteOld(leadership: Leadership) {
    const counts: Partial<Record<Retainable, number>> = {};
    for (const what of Object.keys(deleteStatements) as Retainable[]) {
      const ageMs = ages[what];
      const isPaused = performance.now() < (nextPassAt.get(what) ?? 0);
      const count = ageMs === null || isPaused ? 0 : await deleteInBatches(what, ageMs, leadership);
      if (count > 0) counts[what] = count;
    }
    if (Object.keys(counts).length > 0)
      log.info(counts, "deleted rows that reached their retention age");
    if (deps.onOldest === undefined) return;
    for (const { what, seconds } of await leadership.run(readOldest)) deps.onOldest(what, seconds);
  }

  return async (leadership) => {
    const { signal } = leadership;
    while (!signal.aborted) {
      try {
        await deleteOld(leadership);
      } catch (error) {
        if (signal.aborted) break;
        deps.onFailed?.();
        log.warn({ err: error }, "failed to delete rows that reached their retention age");
      }
      await sleep(intervalMs, signal);
    }
    deps.onEnd?.();
  };
}
