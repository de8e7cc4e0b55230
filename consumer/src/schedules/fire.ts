import type { EndedRun } from "@toril/contract/change/cancel";
import { createNewJob, type NewJob } from "@toril/contract/enqueue/new-job";
import { insertKeyedJobs } from "@toril/contract/ledger/insert";
import type { TakeBack } from "@toril/contract/ledger/replace";
import type { ScheduleRun } from "@toril/contract/schedule/schedule";
import { type Due, noteRun, type ScheduleRow } from "@toril/contract/schedule/schedule-ledger";
import { slotId } from "@toril/contract/schedule/slot-id";
import { openTemplate } from "@toril/contract/schedule/template";
import type { KeyRing } from "@toril/contract/secret/key-ring";
import type { ISql } from "postgres";
import type { CancelJob } from "./cancel-job.ts";
import { decide } from "./decide.ts";

export interface FireDeps {
  secretKeys: KeyRing | undefined;
  cancelJob: CancelJob;
  takeBack: TakeBack;
}

export interface Fired {
  run: ScheduleRun;
  /** What is to be placed in Redis after the commit, and what is to be taken out of it. */
  job?: NewJob | undefined;
  cancelled?: EndedRun | undefined;
}

/** Deals with a due schedule, whose row the transaction has locked: its next time and its job, or neither. */
export async function fire(tx: ISql, { row, now }: Due, deps: FireDeps): Promise<Fired> {
  const { slot, next, isMissed } = decide(row.definition, row.nextAt, now);
  const times = { slot: slot.toISOString(), at: now.toISOString() };
  const runOf: RunOf = (outcome, jobId, reason = null, detail = null) => ({
    ...times,
    outcome,
    jobId,
    reason,
    detail,
  });
  const fired = isMissed
    ? { run: runOf("skipped", null, "missed") }
    : await makeJob(tx, row, slot, deps, runOf);
  await noteRun(tx, row, fired.run, { at: slot, next });
  return fired;
}

type RunOf = (
  outcome: ScheduleRun["outcome"],
  jobId: string | null,
  reason?: ScheduleRun["reason"],
  detail?: string | null,
) => ScheduleRun;

async function makeJob(
  tx: ISql,
  { tenant, name, id, definition, lastJobId }: ScheduleRow,
  slot: Date,
  { secretKeys, cancelJob, takeBack }: FireDeps,
  runOf: RunOf,
): Promise<Fired> {
  const jobId = await slotId(tenant, name, slot);
  const known = await tx<{ id: string; isPending: boolean }[]>`
    select id, status = 'pending' as "isPending" from jobs
    where id = any(${[jobId, ...(lastJobId === null ? [] : [lastJobId])]}::uuid[])`;
  // A schedule of that name had this time before it was deleted.
  if (known.some((job) => job.id === jobId)) return { run: runOf("duplicate", jobId) };

  const standing = known.find((job) => job.isPending);
  if (standing !== undefined && definition.overlap === "skip") {
    return { run: runOf("skipped", standing.id, "overlap") };
  }
  const opened = openTemplate(definition.job, id, secretKeys);
  if (opened.status === "invalid") return { run: runOf("failed", null, "invalid", opened.detail) };
  const made = createNewJob(opened.job, { tenant, schedule: name, id: jobId }, secretKeys);
  if (made.status === "refused") {
    return { run: runOf("failed", null, "invalid", made.detail ?? made.kind) };
  }
  const cancelled =
    standing !== undefined && definition.overlap === "replace"
      ? await cancelJob.record(tx, standing.id, {
          name: "Replaced",
          message: `The schedule ${name} was due again.`,
        })
      : undefined;
  const [recorded] = await insertKeyedJobs(tx, [made.job], takeBack);
  if (recorded?.status === "duplicate") {
    return { run: runOf("duplicate", recorded.job.id), cancelled };
  }
  return { run: runOf("created", jobId), job: made.job, cancelled };
}
