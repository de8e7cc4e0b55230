import type { CancelledJob } from "@toril/contract/engine/jobs/change/cancel";
import type { RemoveFromRedis } from "@toril/contract/engine/jobs/change/remove-from-redis";
import type { NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { isConflict, isTransient } from "@toril/contract/engine/postgres/errors";
import type { Ledger } from "@toril/contract/engine/postgres/pool";
import type { ScheduleRef } from "@toril/contract/engine/schedules/schedule-ledger";
import {
  type DueSchedule,
  findDue,
  lockDue,
  recordRuns,
  untilDue,
} from "@toril/contract/engine/schedules/schedule-runs";
import { recordMissed } from "@toril/contract/engine/webhooks/record-missed";
import type { ISql } from "postgres";
import type { Log } from "../observability/log.ts";
import { sleep } from "../wait.ts";
import { applyFile, type ScheduleFile } from "./schedule-file.ts";
import { batchSize, emptyBatch, fireDue, type FireDeps, toMissed } from "./fire-due.ts";
import { failedPlan, type Plan } from "./plan-runs.ts";

export interface TickerDeps extends FireDeps {
  ledger: Pick<Ledger, "run">;
  dispatch(jobs: readonly NewJob[]): Promise<unknown>;
  removeFromRedis: RemoveFromRedis;
  onRun(outcome: string): void;
  log: Log;
}

export interface Ticker {
  start(): void;
  /** Applies the file before the next tick, and retries until success. */
  useFile(file: ScheduleFile): void;
  close(): Promise<void>;
}

/** Poll interval: a schedule created meanwhile may be due at once. */
const pollMs = 1000;
/** Wait while another consumer holds all due schedules. */
const lockedMs = 50;
/** Batches of due schedules to find while other consumers lock some: they find the same ones first. */
const batchesIfLocked = 4;
/** A schedule whose job waits for another transaction delays the rest of its batch. */
const lockTimeoutMs = 200;

/** Inserts the jobs of due schedules, by Postgres' clock; any number of consumers share the work. */
export function createTicker(deps: TickerDeps): Ticker {
  const { ledger, jobTypes, dispatch, removeFromRedis, secretKeys, onRun, log } = deps;
  const stop = new AbortController();
  let running = Promise.resolve();
  let isFailing = false;
  let newFile: ScheduleFile | undefined;
  /** The previous batch is dispatched to Redis while the next batch is inserted. */
  let dispatching: Promise<void> = Promise.resolve();

  function inTransaction(work: (tx: ISql) => Promise<void>): Promise<unknown> {
    return ledger.run((sql) =>
      sql.begin(async (tx) => {
        await tx`select set_config('lock_timeout', ${String(lockTimeoutMs)}, true)`;
        await work(tx);
      }),
    );
  }

  /** @returns number of processed schedules */
  async function fire(names: readonly ScheduleRef[]): Promise<number> {
    const batch = emptyBatch();
    try {
      await inTransaction((tx) => fireDue(tx, names, deps, batch));
    } catch (error) {
      batch.release();
      if (isTransient(error) && !isConflict(error)) throw error;
      return fireInParts(names, batch.rows, error);
    }
    batch.release();
    await dispatching;
    dispatching = updateRedis(batch.plans, batch.cancelled);
    return batch.plans.length;
  }

  /** Splits a failed batch, so that one bad or blocked schedule does not block the rest. */
  async function fireInParts(
    names: readonly ScheduleRef[],
    rows: readonly DueSchedule[],
    error: unknown,
  ): Promise<number> {
    const [row] = rows;
    if (names.length === 1)
      return row === undefined || isConflict(error) ? 0 : recordFailure(row, error);
    const half = Math.ceil(names.length / 2);
    return (await fire(names.slice(0, half))) + (await fire(names.slice(half)));
  }

  /** Records the failure of a schedule, unless the schedule has changed since. */
  async function recordFailure(failed: DueSchedule, error: unknown): Promise<number> {
    const plans: Plan[] = [];
    await inTransaction(async (tx) => {
      const [row] = await lockDue(tx, [failed]);
      if (row?.id !== failed.id || row.version !== failed.version) return;
      plans.push(failedPlan(row, error));
      await recordRuns(tx, plans);
      await recordMissed(tx, toMissed(plans, jobTypes));
    });
    await updateRedis(plans, []);
    return plans.length;
  }

  /** Dispatches the jobs and removes cancelled jobs, after the commit. */
  async function updateRedis(plans: readonly Plan[], cancelled: readonly CancelledJob[]) {
    report(plans);
    const jobs = plans.flatMap(({ job }) => (job === undefined ? [] : [job]));
    if (jobs.length > 0) await dispatch(jobs);
    if (cancelled.length === 0) return;
    await removeFromRedis(cancelled).catch((error: unknown) => {
      log.warn(
        { err: error, jobs: cancelled.length },
        "failed to remove cancelled jobs from Redis",
      );
    });
  }

  /** Logs one line per group of schedules with the same API key (or tenant), outcome and reason. */
  function report(plans: readonly Plan[]) {
    for (const { run } of plans) onRun(run.outcome);
    const groups = Map.groupBy(plans, ({ schedule, run: { outcome, reason } }) =>
      JSON.stringify([schedule.tenant, schedule.quotaKey, outcome, reason]),
    );
    for (const [first, ...others] of groups.values()) {
      if (first === undefined) continue;
      const { schedule, run } = first;
      const schedules = others.length + 1;
      const fields = { tenant: schedule.tenant, schedule: schedule.name, schedules, ...run };
      if (run.outcome === "created") log.debug(fields, "schedules enqueued jobs");
      else log.warn(fields, "schedules enqueued no jobs");
    }
  }

  async function applyNewFile() {
    const file = newFile;
    if (file === undefined) return;
    const { saved, deleted } = await applyFile(ledger, jobTypes, file, secretKeys);
    log.info({ saved, deleted, schedules: file.size }, "applied the schedule file");
    if (newFile === file) newFile = undefined;
  }

  async function tick() {
    await applyNewFile();
    const dueMs = await ledger.run(untilDue);
    if (dueMs === undefined || dueMs > 0) {
      await sleep(Math.min(dueMs ?? pollMs, pollMs), stop.signal);
      return;
    }
    let fired = 0;
    for (let batches = 1; !stop.signal.aborted;) {
      const due = await ledger.run((sql) => findDue(sql, batchSize, batches));
      const more = due.length === 0 ? 0 : await fire(due);
      fired += more;
      if (more === 0 && (due.length < batchSize || batches > 1)) break;
      batches = more < Math.min(due.length, batchSize) ? batchesIfLocked : 1;
    }
    if (fired === 0) await sleep(lockedMs, stop.signal);
  }

  async function run() {
    while (!stop.signal.aborted) {
      try {
        await tick();
        isFailing = false;
      } catch (error) {
        if (!isFailing) log.warn({ err: error }, "failed to read due schedules");
        isFailing = true;
        await sleep(pollMs, stop.signal);
      }
    }
    await dispatching;
  }

  return {
    start() {
      running = run();
    },
    useFile(file) {
      newFile = file;
    },
    close() {
      stop.abort();
      return running;
    },
  };
}
