import { cancelJobs, type CancelledJob } from "@toril/contract/engine/jobs/change/cancel";
import { insertKeyedJobs } from "@toril/contract/engine/jobs/insert/insert-jobs";
import type { RemoveWaiting } from "@toril/contract/engine/jobs/insert/replace-waiting";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { FindQuota } from "@toril/contract/engine/quotas/quotas";
import type { ScheduleRef } from "@toril/contract/engine/schedules/schedule-ledger";
import {
  type DueSchedule,
  lockDue,
  recordRuns,
} from "@toril/contract/engine/schedules/schedule-runs";
import {
  isMissed,
  type MissedRun,
  recordMissed,
} from "@toril/contract/engine/webhooks/record-missed";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { ISql } from "postgres";
import { type Plan, planRuns } from "./plan-runs.ts";

export interface FireDeps {
  jobTypes: JobTypeRegistry;
  secretKeys: KeyRing | undefined;
  findQuota: FindQuota;
  removeWaiting: RemoveWaiting;
}

/** Result of one transaction over due schedules. */
export interface Batch {
  /** Locked schedules, in round-robin order. */
  rows: DueSchedule[];
  plans: Plan[];
  /** Cancelled jobs to remove from Redis after the commit. */
  cancelled: CancelledJob[];
  /** Releases quota reservations; call when the transaction has ended, whether committed or rolled back. */
  release(): void;
}

export const emptyBatch = (): Batch => ({ rows: [], plans: [], cancelled: [], release() {} });

/** Schedules per transaction: a commit costs as much as some 50 inserts, but a larger batch delays its schedules. */
export const batchSize = 500;
/** A batch stops taking schedules at this size of their definitions or after this time. */
const maxBytes = 4_000_000;
const maxPlanMs = 100;
/** Number of definitions to read before their average size is known: one definition may have a megabyte. */
const firstPartSize = 16;

const replacedError = { name: "Replaced", message: "The schedule was due again." };

/**
 * Advances due schedules and inserts their jobs, in the given transaction. Schedules beyond the batch limits stay due.
 * @param names may be more than a batch, because other consumers may have locked the first ones
 * @param batch is filled; `batch.rows` contains the locked schedules even if this function throws
 */
export async function fireDue(
  tx: ISql,
  names: readonly ScheduleRef[],
  deps: FireDeps,
  batch: Batch,
): Promise<void> {
  const endAt = performance.now() + maxPlanMs;
  let [start, size, bytes] = [0, firstPartSize, 0];
  while (start < names.length && size > 0 && (start === 0 || performance.now() < endAt)) {
    const rows = await lockDue(tx, names.slice(start), size);
    batch.rows.push(...rows);
    batch.plans.push(...(await planRuns(tx, rows, { ...deps, endAt })));
    if (rows.length < size) break;
    start = findLast(names, rows) + 1;
    bytes += rows.reduce((sum, row) => sum + row.bytes, 0);
    const averageBytes = Math.max(1, bytes / batch.rows.length);
    const sizeByBytes = bytes < maxBytes ? Math.max(1, (maxBytes - bytes) / averageBytes) : 0;
    size = Math.floor(Math.min(batchSize - batch.rows.length, sizeByBytes));
  }
  if (batch.plans.length === 0) return;
  batch.release = await deferRefused(batch.plans, deps.findQuota);
  await insertPlanned(tx, batch, deps.removeWaiting);
  await recordRuns(tx, batch.plans);
  await recordMissed(tx, toMissed(batch.plans, deps.jobTypes));
}

/** Returns the index of the last row in the names, which have the same order. */
function findLast(names: readonly ScheduleRef[], rows: readonly DueSchedule[]): number {
  const last = rows.at(-1);
  return names.findLastIndex(({ tenant, name }) => tenant === last?.tenant && name === last.name);
}

/** Returns the planned runs that webhooks report. */
export function toMissed(
  plans: readonly Plan[],
  jobTypes: Pick<JobTypeRegistry, "forTenant">,
): MissedRun[] {
  return plans
    .filter(({ run }) => isMissed(run))
    .map(({ schedule: { tenant, name, type }, run }) => ({
      tenant,
      name,
      type,
      queue: jobTypes.forTenant(tenant).find(type)?.queue ?? "",
      run,
    }));
}

async function insertPlanned(tx: ISql, batch: Batch, removeWaiting: RemoveWaiting) {
  const planned = batch.plans.filter((plan) => plan.job !== undefined);
  const ids = planned.flatMap(({ replaces }) => (replaces === undefined ? [] : [{ id: replaces }]));
  if (ids.length > 0) batch.cancelled = await cancelJobs(tx, ids, replacedError);
  const jobs = planned.flatMap(({ job }) => (job === undefined ? [] : [job]));
  const outcomes = await insertKeyedJobs(tx, jobs, removeWaiting);
  for (const [index, plan] of planned.entries()) {
    const outcome = outcomes[index];
    if (outcome?.status !== "duplicate") continue;
    const { id: jobId } = outcome.job;
    plan.run = { ...plan.run, outcome: "duplicate", jobId, reason: null, detail: null };
    plan.job = undefined;
  }
}

/** Retries per second for an API key without a rate limit. */
const defaultRate = 100;
const minDelayMs = 1000;
const maxDelayMs = 60_000;

/**
 * Reserves quotas of the API keys that own the schedules. A refused run is deferred: the fire time stays due and is
 * retried later. If the next fire time comes first, one run covers both. The misfire policy limits the delay.
 * @returns a function that releases the quota reservations
 */
async function deferRefused(plans: readonly Plan[], findQuota: FindQuota) {
  const owned = plans.filter(({ job, schedule }) => job && schedule.quotaKey && schedule.quotas);
  const releases = await Promise.all(
    [...Map.groupBy(owned, ({ schedule }) => schedule.quotaKey ?? "")].map(
      async ([key, plansOfKey]) => {
        const quotas = plansOfKey[0]?.schedule.quotas ?? {};
        const quota = findQuota(key, quotas);
        const { granted, refusal } = await quota.reserveUpTo(plansOfKey.length);
        for (const [position, plan] of plansOfKey.slice(granted).entries()) {
          // Spread the retries at the rate of the quota.
          const atRateMs = (position / (quotas.rate ?? defaultRate)) * 1000;
          const waitMs = Math.max(minDelayMs, refusal?.waitMs ?? 0, atRateMs);
          defer(plan, Math.min(maxDelayMs, waitMs), refusal?.detail ?? null);
        }
        return () => quota.release(granted);
      },
    ),
  );
  return () => {
    for (const release of releases) release();
  };
}

function defer(plan: Plan, waitMs: number, detail: string | null) {
  const { now } = plan.schedule;
  const { lastFireTime } = plan.after;
  plan.run = { ...plan.run, outcome: "deferred", jobId: null, reason: "quota", detail };
  plan.after = {
    lastFireTime,
    nextAt: new Date(now.getTime() + waitMs),
    deferredFireTime: lastFireTime,
  };
  plan.job = undefined;
  plan.replaces = undefined;
}
