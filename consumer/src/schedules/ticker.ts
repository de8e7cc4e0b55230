import type { NewJob } from "@toril/contract/enqueue/new-job";
import { toStorableText } from "@toril/contract/json";
import { isLockTimeout, isTransient } from "@toril/contract/ledger/errors";
import type { Ledger } from "@toril/contract/ledger/pool";
import type { ScheduleRun } from "@toril/contract/schedule/schedule";
import {
  claimDue,
  type Due,
  noteRun,
  type ScheduleRow,
  untilDue,
} from "@toril/contract/schedule/schedule-ledger";
import { slotsOf } from "@toril/contract/schedule/slots";
import type { Log } from "../log.ts";
import { pause } from "../pause.ts";
import { applyFile, type ScheduleFile } from "./apply-file.ts";
import { type Fired, type FireDeps, fire } from "./fire.ts";

export interface TickerDeps extends FireDeps {
  ledger: Pick<Ledger, "run">;
  dispatch(jobs: readonly NewJob[]): Promise<unknown>;
  onRun(outcome: string): void;
  log: Log;
}

export interface Ticker {
  start(): void;
  /** Before the next look, and again until it succeeds. */
  useFile(file: ScheduleFile): void;
  close(): Promise<void>;
}

/** A schedule that somebody has just made may be due no later than it is seen. */
const lookEveryMs = 1000;
/** Another consumer has what is due. */
const takenMs = 50;

/** Makes the jobs of schedules when they are due, by Postgres' clock; any number of consumers share the work. */
export function createTicker(deps: TickerDeps): Ticker {
  const { ledger, dispatch, cancelJob, secretKeys, onRun, log } = deps;
  const stop = new AbortController();
  let running = Promise.resolve();
  let isFailing = false;
  let newFile: ScheduleFile | undefined;

  async function fireNext(): Promise<boolean> {
    let due: Due | undefined;
    const claimed = await ledger
      .run((sql) =>
        sql.begin(async (tx) => {
          due = await claimDue(tx);
          return due && { ...due, ...(await fire(tx, due, deps)) };
        }),
      )
      .catch((error: unknown) => giveUp(error, due));
    if (claimed === undefined) return false;
    const { tenant, name } = claimed.row;
    tell(tenant, name, claimed);
    if (claimed.job !== undefined) await dispatch([claimed.job]);
    if (claimed.cancelled !== undefined) {
      await cancelJob.forget(claimed.cancelled).catch((error: unknown) => {
        log.warn({ err: error, jobId: claimed.cancelled?.id }, "a cancelled job is still in Redis");
      });
    }
    return true;
  }

  /** What Postgres, or this version, has no use for must not keep the others waiting. */
  async function giveUp(error: unknown, due: Due | undefined) {
    if (due === undefined || isTransient(error) || isLockTimeout(error)) throw error;
    const { row, now } = due;
    const slot = row.nextAt;
    const run: ScheduleRun = {
      slot: slot.toISOString(),
      at: now.toISOString(),
      outcome: "failed",
      jobId: null,
      reason: "invalid",
      detail: toStorableText(error instanceof Error ? error.message : String(error)),
    };
    await ledger.run((sql) => noteRun(sql, row, run, { at: slot, next: nextOf(row, now) }));
    return { ...due, run, job: undefined, cancelled: undefined };
  }

  function tell(tenant: string, schedule: string, { run }: Fired) {
    onRun(run.outcome);
    const fields = { tenant, schedule, ...run };
    if (run.outcome === "created") log.debug(fields, "a schedule made a job");
    else log.warn(fields, "a schedule made no job");
  }

  async function applyNewFile() {
    const file = newFile;
    if (file === undefined) return;
    const { saved, deleted } = await applyFile(ledger, file, secretKeys);
    log.info({ saved, deleted, schedules: file.size }, "schedules of the file are in the ledger");
    if (newFile === file) newFile = undefined;
  }

  async function tick() {
    await applyNewFile();
    const dueMs = await ledger.run(untilDue);
    if (dueMs === undefined || dueMs > 0) {
      await pause(Math.min(dueMs ?? lookEveryMs, lookEveryMs), stop.signal);
      return;
    }
    let fired = 0;
    while (!stop.signal.aborted && (await fireNext())) fired += 1;
    if (fired === 0) await pause(takenMs, stop.signal);
  }

  async function keepTicking() {
    while (!stop.signal.aborted) {
      try {
        await tick();
        isFailing = false;
      } catch (error) {
        if (!isFailing) log.warn({ err: error }, "schedules cannot be looked at");
        isFailing = true;
        await pause(lookEveryMs, stop.signal);
      }
    }
  }

  return {
    start() {
      running = keepTicking();
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

/** None when that is what fails. */
function nextOf({ definition }: ScheduleRow, now: Date) {
  try {
    return slotsOf(definition).after(now);
  } catch {
    return null;
  }
}
