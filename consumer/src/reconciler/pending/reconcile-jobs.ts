import { bullId } from "@toril/contract/engine/redis/names";
import type { Logger } from "pino";
import type { Endings } from "../ended/settle-ended.ts";
import type { FinishEvents } from "../ended/finish-events.ts";
import type { OrphanScan } from "./orphan-detector.ts";
import type { PendingJob } from "./pending-jobs.ts";
import type { Redispatch } from "./redispatch.ts";

export interface RepairCounts {
  /** Pending jobs that were checked. */
  checked: number;
  redispatched: number;
  /** Missing in Redis, but not re-dispatched because Redis is nearly full. */
  postponed: number;
  /** Finished in Redis. */
  settled: number;
}

export interface ReconcileJobsDeps {
  signal: AbortSignal;
  endings: Endings;
  openEvents(queue: string): FinishEvents;
  /** Called once per run, which restores the settings of a queue before it dispatches. */
  openRedispatch(): Redispatch;
  log: Pick<Logger, "error">;
}

/** One walk over pending jobs. */
export interface ReconcileRun {
  readonly counts: Readonly<RepairCounts>;
  /**
   * Checks jobs, in id order, against Redis and repairs differences, in all queues at once. Skips the further jobs of a
   * queue whose Redis is unavailable.
   * @returns the jobs that are in Redis now or have ended, and whether anything was repaired
   */
  reconcile(page: readonly PendingJob[]): Promise<{ jobs: PendingJob[]; isRepaired: boolean }>;
  /** Throws the first error of a queue whose jobs were skipped. */
  throwIfSkipped(): void;
}

/** Creates the repair of differences between Redis and pages of pending jobs. */
export function createReconcileJobs(deps: ReconcileJobsDeps): (scan: OrphanScan) => ReconcileRun {
  const { signal, endings, openEvents, openRedispatch, log } = deps;

  return (scan) => {
    const redispatch = openRedispatch();
    const eventsByQueue = new Map<string, FinishEvents>();
    const rejectedQueues = new Set<string>();
    const skippedQueues = new Map<string, unknown>();
    const counts: RepairCounts = { checked: 0, redispatched: 0, postponed: 0, settled: 0 };

    /** Finds jobs whose hashes stock workers removed on completion. */
    async function findRemoved(queue: string, missing: readonly PendingJob[]) {
      if (missing.length === 0) return [];
      const events = eventsByQueue.get(queue) ?? openEvents(queue);
      eventsByQueue.set(queue, events);
      // Read after the inspection: a job that finished since the last page must not be re-dispatched.
      const finishes = await events.readIfFinished(missing.map(toBullId));
      return missing.flatMap((job) => {
        const event = finishes.get(toBullId(job));
        return event === undefined ? [] : [{ ...job, event }];
      });
    }

    async function repair(queue: string, jobs: readonly PendingJob[]): Promise<RepairCounts> {
      const { missing, finished } = await scan.inspect(queue, jobs);
      const removed = await findRemoved(queue, missing);
      const settled = await endings.settle(queue, [...finished, ...removed]);
      const removedIds = new Set(removed.map((job) => job.id));
      const lost = missing.filter((job) => !removedIds.has(job.id));
      return { checked: jobs.length, settled, ...(await redispatch(queue, lost)) };
    }

    async function tryRepair(queue: string, jobs: readonly PendingJob[]) {
      if (signal.aborted || skippedQueues.has(queue)) return undefined;
      try {
        return await repair(queue, jobs);
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!isErrorReply(error)) {
          skippedQueues.set(queue, error);
        } else if (!rejectedQueues.has(queue)) {
          rejectedQueues.add(queue);
          log.error({ err: error, queue }, "Redis rejected a command of the reconciler");
        }
        return undefined;
      }
    }

    return {
      counts,
      async reconcile(page) {
        const before = counts.redispatched + counts.settled;
        const groups = [...Map.groupBy(page, (job) => job.queue)];
        const reconciled = await Promise.all(
          groups.map(async ([queue, jobs]) => {
            const repaired = await tryRepair(queue, jobs);
            if (repaired === undefined) return [];
            add(counts, repaired);
            return repaired.postponed === 0 ? jobs : [];
          }),
        );
        const isRepaired = counts.redispatched + counts.settled > before;
        return { jobs: reconciled.flat(), isRepaired };
      },
      throwIfSkipped() {
        for (const error of skippedQueues.values()) throw error;
      },
    };
  };
}

function toBullId({ id, generation }: PendingJob) {
  return bullId(id, generation);
}

function add(counts: RepairCounts, more: RepairCounts) {
  for (const name of Object.keys(counts) as (keyof RepairCounts)[]) counts[name] += more[name];
}

/** Redis replied with an error; other queues may still work. */
function isErrorReply(error: unknown) {
  return error instanceof Error && error.name === "ReplyError";
}
