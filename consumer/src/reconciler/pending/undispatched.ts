import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { deleteUndispatched } from "@toril/contract/engine/jobs/enqueue/undispatched-ledger";
import type { Logger } from "pino";
import { sleep } from "../../wait.ts";
import type { Leadership } from "../leadership.ts";
import type { OrphanDetector } from "./orphan-detector.ts";
import { readUndispatched } from "./pending-jobs.ts";
import type { ReconcileRun, RepairCounts } from "./reconcile-jobs.ts";

export interface UndispatchedDeps {
  leadership: Leadership;
  begin(scan: ReturnType<OrphanDetector["begin"]>): ReconcileRun;
  /** Without a search of the lists. */
  orphanDetector: OrphanDetector;
  isRedisReady(): boolean;
  graceMs: number;
  pageSize: number;
  everyMs: number;
  onDispatched?: ((counts: RepairCounts) => void) | undefined;
  log: Pick<Logger, "info" | "warn">;
}

export interface Undispatched {
  /** Dispatches all jobs whose dispatch failed and that are old enough; concurrent calls share one run. */
  dispatchAll(): Promise<void>;
  /** Calls `dispatchAll` until the leadership ends. */
  watch(): Promise<void>;
}

/**
 * Creates the dispatch of jobs that were noted as undispatched. It needs no pass over all pending jobs, and checks Redis
 * as a pass does: a dispatch that failed for its caller may have reached Redis.
 */
export function createUndispatched(deps: UndispatchedDeps): Undispatched {
  const { leadership, begin, orphanDetector, isRedisReady, graceMs, pageSize, log } = deps;
  const { everyMs, onDispatched } = deps;
  const { signal } = leadership;
  let running: Promise<void> | undefined;
  let isFailing = false;

  async function walk(run: ReconcileRun) {
    let isFull = true;
    for (let after = lowestId; isFull && !signal.aborted;) {
      const query = { after, graceMs, size: pageSize };
      const page = await leadership.run((sql) => readUndispatched(sql, query));
      const ended = page.filter(({ isPending }) => isPending !== true);
      const { jobs } = await run.reconcile(page.filter((job) => job.isPending && job.isOld));
      const done = [...ended, ...jobs].map(({ id }) => id);
      if (done.length > 0) await leadership.run((sql) => deleteUndispatched(sql, done));
      after = page.at(-1)?.id ?? after;
      isFull = page.length === pageSize;
    }
  }

  async function run() {
    const current = begin(orphanDetector.begin());
    try {
      await walk(current);
      current.throwIfSkipped();
      isFailing = false;
    } catch (error) {
      if (!isFailing && !signal.aborted)
        log.warn({ err: error }, "failed to dispatch jobs that were recorded without Redis");
      isFailing = true;
    }
    const { counts } = current;
    if (counts.redispatched + counts.settled === 0) return;
    log.info(counts, "dispatched jobs that were recorded without Redis");
    onDispatched?.(counts);
  }

  async function dispatchAll() {
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  }

  return {
    dispatchAll,
    async watch() {
      while (!signal.aborted) {
        const startedAt = performance.now();
        if (isRedisReady()) await dispatchAll();
        // Work at most half of the time, as a pass does, when jobs cannot be dispatched.
        await sleep(Math.max(everyMs, performance.now() - startedAt), signal);
      }
    },
  };
}
