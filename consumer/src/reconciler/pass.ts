import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { bullId } from "@toril/contract/engine/redis/names";
import type { Logger } from "pino";
import { sleep } from "../wait.ts";
import type { Endings } from "./settle-ended.ts";
import type { Leadership } from "./leadership.ts";
import type { FinishEvents } from "./finish-events.ts";
import { type PendingJob, readPending } from "./pending.ts";
import type { Redispatch } from "./redispatch.ts";
import type { OrphanDetector } from "./orphan-detector.ts";

export interface PassCounts {
  /** Pending jobs that were checked. */
  checked: number;
  redispatched: number;
  /** Missing in Redis, but not re-dispatched because Redis is nearly full. */
  postponed: number;
  /** Finished in Redis. */
  settled: number;
}

export interface PassDeps {
  leadership: Leadership;
  orphanDetector: OrphanDetector;
  endings: Endings;
  openEvents(queue: string): FinishEvents;
  redispatch: Redispatch;
  /** Minimum age by Postgres' clock; a younger job may still be on its way to Redis. */
  graceMs: number;
  pageSize: number;
  log: Pick<Logger, "error">;
}

/** Creates a pass over all pending jobs, which repairs differences to Redis. Loss of leadership ends a pass early. */
export function createPass(deps: PassDeps): () => Promise<PassCounts> {
  const { leadership, orphanDetector, endings, openEvents, redispatch, graceMs, pageSize, log } =
    deps;
  const { signal } = leadership;

  return async () => {
    const eventsByQueue = new Map<string, FinishEvents>();

    /** Finds jobs whose hashes stock workers removed on completion. */
    async function findRemoved(queue: string, missing: readonly PendingJob[]) {
      if (missing.length === 0) return [];
      const events = eventsByQueue.get(queue) ?? openEvents(queue);
      eventsByQueue.set(queue, events);
      // Read after the inspection: a job that finished since the last page must not be re-dispatched.
      const finishes = await events.read();
      return missing.flatMap((job) => {
        const event = finishes.get(bullId(job.id, job.generation));
        return event === undefined ? [] : [{ ...job, event }];
      });
    }

    async function reconcile(queue: string, jobs: readonly PendingJob[]) {
      const { missing, finished } = await scan.inspect(queue, jobs);
      const removed = await findRemoved(queue, missing);
      const settled = await endings.settle(queue, [...finished, ...removed]);
      const removedIds = new Set(removed.map((job) => job.id));
      const lost = missing.filter((job) => !removedIds.has(job.id));
      return { checked: jobs.length, settled, ...(await redispatch(queue, lost)) };
    }

    const scan = orphanDetector.begin();
    const failingQueues = new Set<string>();
    const counts: PassCounts = { checked: 0, redispatched: 0, postponed: 0, settled: 0 };

    async function reconcilePage(page: readonly PendingJob[]) {
      for (const [queue, jobs] of Map.groupBy(page, (job) => job.queue)) {
        if (signal.aborted) return;
        try {
          add(counts, await reconcile(queue, jobs));
        } catch (error) {
          if (!isErrorReply(error)) throw error;
          if (!failingQueues.has(queue))
            log.error({ err: error, queue }, "Redis rejected a command of the reconciler");
          failingQueues.add(queue);
        }
      }
    }

    for (let after = lowestId; !signal.aborted;) {
      const startedAt = performance.now();
      const query = { after, graceMs, size: pageSize };
      const page = await leadership.run((sql) => readPending(sql, query));
      await reconcilePage(page);
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) {
        scan.end();
        break;
      }
      after = last.id;
      // Work at most half of the time: scanning a million pending rows must not slow the workers down.
      await sleep(performance.now() - startedAt, signal);
    }
    return counts;
  };
}

function add(counts: PassCounts, more: PassCounts) {
  for (const name of Object.keys(counts) as (keyof PassCounts)[]) counts[name] += more[name];
}

/** Redis replied with an error; other queues may still work. */
function isErrorReply(error: unknown) {
  return error instanceof Error && error.name === "ReplyError";
}

/** Decides when a pass is due, and the reason. */
export interface PassSchedule {
  wake(reason: string): void;
  /** Returns the reason for a new leader's first pass. */
  begin(): string;
  /** Waits until the pass after the pass for `reason` is due. Returns the reason. */
  next(reason: string, signal: AbortSignal): Promise<string>;
}

export interface PassScheduleSettings {
  intervalMs: number;
  graceMs: number;
}

/** Schedules passes at the interval, on wake, and once more after a wake, when jobs that were too young have aged. */
export function createPassSchedule({ intervalMs, graceMs }: PassScheduleSettings): PassSchedule {
  let wakeUp = new AbortController();
  let requestedReason: string | undefined;

  function takeReason(defaultReason: string): string {
    const reason = requestedReason ?? defaultReason;
    requestedReason = undefined;
    return reason;
  }

  return {
    wake(reason) {
      requestedReason = reason;
      wakeUp.abort();
    },
    begin: () => takeReason("leading"),
    async next(reason, signal) {
      const isRoutine = reason === "interval" || reason === "grace";
      wakeUp = new AbortController();
      const ms = isRoutine ? intervalMs : Math.min(graceMs, intervalMs);
      if (requestedReason === undefined) await sleep(ms, signal, wakeUp.signal);
      return takeReason(isRoutine ? "interval" : "grace");
    },
  };
}
