import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { sleep } from "../../wait.ts";
import type { Leadership } from "../leadership.ts";
import type { OrphanDetector, OrphanScan } from "./orphan-detector.ts";
import { readPending, readProgress, saveProgress } from "./pending-jobs.ts";
import type { ReconcileRun, RepairCounts } from "./reconcile-jobs.ts";

export interface PassDeps {
  leadership: Leadership;
  orphanDetector: OrphanDetector;
  begin(scan: OrphanScan): ReconcileRun;
  isRedisReady(): boolean;
  /** Minimum age by Postgres' clock; a younger job may still be on its way to Redis. */
  graceMs: number;
  pageSize: number;
}

interface Walk {
  run: ReconcileRun;
  isUrgent(): boolean;
}

/** A routine pass may have to become urgent. */
const maxPauseMs = 500;
/** Then a routine pass becomes urgent, so that a pass over millions of jobs ends. */
const maxRoutineMs = 120_000;

/**
 * Creates a pass over all pending jobs, in id order, which repairs differences to Redis. The ledger has the position of
 * the pass: after a change of the leader or a failure, the next pass begins there and ends with the jobs before it.
 * A pass works half of the time while it is urgent, otherwise a tenth: scanning a million pending rows must not slow the
 * workers down.
 */
export function createPass(deps: PassDeps): (isUrgent: () => boolean) => Promise<RepairCounts> {
  const { leadership, orphanDetector, begin, isRedisReady, graceMs, pageSize } = deps;
  const { signal } = leadership;
  let position: string | undefined;

  /** Reconciles the jobs after `after`, up to and including `last`. Returns false if the leadership ended. */
  async function walk({ run, isUrgent }: Walk, after: string, last?: string): Promise<boolean> {
    for (;;) {
      const startedAt = performance.now();
      position = after;
      const query = { after, last, graceMs, size: pageSize };
      const [page] = await leadership.run((sql) =>
        Promise.all([readPending(sql, query), saveProgress(sql, query.after)]),
      );
      const { isRepaired } = await run.reconcile(page);
      if (signal.aborted) return false;
      if (!isRedisReady()) run.throwIfSkipped();
      if (page.length < pageSize) return true;
      after = page.at(-1)?.id ?? after;
      // Workers wait for jobs that Redis lost.
      if (isRepaired) continue;
      const workedMs = performance.now() - startedAt;
      await sleep(isUrgent() ? workedMs : Math.min(9 * workedMs, maxPauseMs), signal);
    }
  }

  return async (isUrgent) => {
    const start = position ?? (await leadership.run(readProgress));
    const scan = orphanDetector.begin();
    const run = begin(scan);
    const lateAt = performance.now() + maxRoutineMs;
    const walking = { run, isUrgent: () => isUrgent() || performance.now() > lateAt };
    let isComplete = await walk(walking, start);
    if (isComplete && start !== lowestId) {
      scan.restart();
      isComplete = await walk(walking, lowestId, start);
    }
    if (!isComplete) return run.counts;
    if (position !== lowestId) await leadership.run((sql) => saveProgress(sql, lowestId));
    position = lowestId;
    run.throwIfSkipped();
    scan.end();
    return run.counts;
  };
}

/** Decides when a pass is due, and the reason. */
export interface PassSchedule {
  wake(reason: string): void;
  /** Whether Redis may have lost jobs: before this pass, or since the pass began. */
  isUrgent(reason: string): boolean;
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
    isUrgent: (reason) =>
      requestedReason !== undefined || (reason !== "leading" && reason !== "interval"),
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
