import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { hash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { createNewJob, type NewJob } from "@toril/contract/engine/jobs/enqueue/new-job";
import { toStorableText } from "@toril/contract/api/json/json";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { ScheduleRun, ScheduleDefinition, Timing } from "@toril/contract/api/schedule";
import type { DueSchedule, RecordedRun } from "@toril/contract/engine/schedules/schedule-runs";
import { createScheduledJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { toFireTimes } from "@toril/contract/engine/schedules/fire-times";
import { openTemplate } from "@toril/contract/engine/schedules/template";
import {
  type CallbackReceiver,
  explainRun,
  knownAfterMs,
  readReceiversByTenant,
} from "@toril/contract/engine/webhooks/callbacks";
import type { KeyRing } from "@toril/contract/engine/secrets/key-ring";
import type { ISql } from "postgres";

/** Planned outcome of a due schedule. */
export interface Plan extends RecordedRun {
  schedule: DueSchedule;
  after: { lastFireTime: Date; nextAt: Date | null; deferredFireTime: Date | null };
  job?: NewJob | undefined;
  /** Pending job that the new job replaces. */
  replaces?: string | undefined;
}

export interface PlanOptions {
  jobTypes: JobTypeRegistry;
  secretKeys: KeyRing | undefined;
  /** By performance.now(): rows after this time get no plan, except for the first row. */
  endAt: number;
}

interface Due {
  schedule: DueSchedule;
  scheduledFor: Date;
  jobId: string;
  next: Date | null;
  isSkipped: boolean;
}

/** What the ledger has for the schedules of a transaction. */
interface Found {
  /** Whether jobs are pending, by id. */
  existing: ReadonlyMap<string, boolean>;
  /** By tenant. */
  receivers: ReadonlyMap<string, CallbackReceiver[]>;
}

/** Maximum time to block the event loop. */
const sliceMs = 10;

/** Plans the runs of locked schedules. An invalid schedule yields a plan with outcome `failed`. */
export async function planRuns(
  tx: ISql,
  rows: readonly DueSchedule[],
  options: PlanOptions,
): Promise<Plan[]> {
  const planned: (Due | Plan)[] = [];
  const yieldToEventLoop = createTimeSlices();
  for (const row of rows) {
    if (planned.length > 0 && performance.now() > options.endAt) break;
    planned.push(toDue(row));
    await yieldToEventLoop();
  }
  const dues = planned.filter((entry) => "scheduledFor" in entry);
  const found: Found = {
    existing: dues.length === 0 ? new Map() : await findExistingJobs(tx, dues),
    receivers: await readReceiversByTenant(tx, findTenantsWithCallbacks(dues)),
  };
  const plans: Plan[] = [];
  for (const entry of planned) {
    plans.push("scheduledFor" in entry ? planRun(entry, found, options) : entry);
    await yieldToEventLoop();
  }
  return plans;
}

/** Yields to the event loop when a time slice is used up. */
function createTimeSlices() {
  let startedAt = performance.now();
  return async () => {
    if (performance.now() - startedAt < sliceMs) return;
    await nextTurn();
    startedAt = performance.now();
  };
}

const sha256 = (text: string) => hash("sha256", text, "hex");

function toDue(schedule: DueSchedule): Due | Plan {
  const { tenant, name, definition, deferredFireTime, nextAt, now } = schedule;
  try {
    const { scheduledFor, next, isSkipped } = findFireTime(
      definition,
      deferredFireTime ?? nextAt,
      now,
    );
    return {
      schedule,
      scheduledFor,
      next,
      isSkipped,
      jobId: createScheduledJobId(tenant, name, scheduledFor, sha256),
    };
  } catch (error) {
    return failedPlan(schedule, error);
  }
}

/** Looks up which jobs exist, and whether they are pending: jobs of these fire times, and the previous jobs. */
async function findExistingJobs(tx: ISql, dues: readonly Due[]): Promise<Map<string, boolean>> {
  const ids = dues.flatMap(({ jobId, schedule: { lastJobId } }) =>
    lastJobId === null ? [jobId] : [jobId, lastJobId],
  );
  const rows = await tx<(Pick<JobColumns, "id"> & { isPending: boolean })[]>`
    select id, status = 'pending' as "isPending" from jobs where id = any(${ids}::uuid[])`;
  return new Map(rows.map(({ id, isPending }) => [id, isPending]));
}

function findTenantsWithCallbacks(dues: readonly Due[]): string[] {
  const withCallbacks = dues.filter(({ schedule }) => schedule.definition.job.callbackUrl);
  return [...new Set(withCallbacks.map(({ schedule: { tenant } }) => tenant))];
}

function planRun(
  { schedule, scheduledFor, jobId, next, isSkipped }: Due,
  { existing, receivers: ofTenants }: Found,
  { jobTypes, secretKeys }: PlanOptions,
): Plan {
  const { tenant, name, id, definition, lastJobId, deferredFireTime, quotaKey, now } = schedule;
  const ofTenant = jobTypes.forTenant(tenant);
  const plan = (run: Pick<ScheduleRun, "outcome"> & Partial<ScheduleRun>): Plan => ({
    schedule,
    run: {
      scheduledFor: scheduledFor.toISOString(),
      at: now.toISOString(),
      jobId: null,
      reason: null,
      detail: null,
      ...run,
    },
    after: { lastFireTime: scheduledFor, nextAt: next, deferredFireTime: null },
  });
  if (isSkipped) {
    return plan({ outcome: "skipped", reason: deferredFireTime === null ? "misfire" : "quota" });
  }
  // A deleted schedule of the same name already fired at this time.
  if (existing.has(jobId)) return plan({ outcome: "duplicate", jobId });
  const pending = lastJobId !== null && existing.get(lastJobId) ? lastJobId : undefined;
  if (pending !== undefined && definition.overlap === "skip") {
    return plan({ outcome: "skipped", reason: "overlap", jobId: pending });
  }
  const opened = openTemplate(ofTenant, definition.job, id, secretKeys);
  if (opened.status === "invalid") {
    return plan({ outcome: "failed", reason: "invalid", detail: opened.detail });
  }
  const receivers = ofTenants.get(tenant) ?? [];
  const origin = {
    tenant,
    schedule: name,
    id: jobId,
    quotaKey: quotaKey ?? undefined,
    callbacks: { receivers, isOptional: true },
  };
  const created = createNewJob(ofTenant, opened.job, origin, secretKeys);
  if (created.status === "refused") {
    return plan({ outcome: "failed", reason: "invalid", detail: created.detail ?? created.kind });
  }
  const job = startWhenKnown(created.job, receivers);
  const replaces = definition.overlap === "replace" ? pending : undefined;
  return { ...plan({ outcome: "created", jobId, ...explainRun(opened.job, job) }), job, replaces };
}

/** Delays a job with a callback while consumers may not know its webhook yet; the other schedules need not wait. */
function startWhenKnown(job: NewJob, receivers: readonly CallbackReceiver[]): NewJob {
  const { callback, expiresAt } = job;
  if (!receivers.some(({ id, isNew }) => isNew && id === callback?.webhook)) return job;
  return {
    ...job,
    runAt: new Date(Date.now() + knownAfterMs),
    expiresAt: expiresAt && new Date(expiresAt.getTime() + knownAfterMs),
  };
}

/** Plan for a schedule that Postgres or this version cannot process. */
export function failedPlan(schedule: DueSchedule, error: unknown): Plan {
  const { definition, deferredFireTime, nextAt, now } = schedule;
  const scheduledFor = deferredFireTime ?? nextAt;
  return {
    schedule,
    run: {
      scheduledFor: scheduledFor.toISOString(),
      at: now.toISOString(),
      outcome: "failed",
      jobId: null,
      reason: "invalid",
      detail: toStorableText(error instanceof Error ? error.message : String(error)),
    },
    after: {
      lastFireTime: scheduledFor,
      nextAt: findNextFireTime(definition, now),
      deferredFireTime: null,
    },
  };
}

/** Null when the definition itself is invalid. */
function findNextFireTime(definition: DueSchedule["definition"], now: Date) {
  try {
    return toFireTimes(definition).after(now);
  } catch {
    return null;
  }
}

/** Maximum delay before a fire time counts as missed; a consumer restart takes less. */
const graceMs = 60_000;

export interface FireTime {
  /** Latest due fire time; covers all earlier ones. */
  scheduledFor: Date;
  next: Date | null;
  isSkipped: boolean;
}

/** Finds the fire time to run for a schedule that has been due since `due`. */
export function findFireTime(
  rules: Timing & Pick<ScheduleDefinition, "misfire">,
  due: Date,
  now: Date,
): FireTime {
  const fireTimes = toFireTimes(rules);
  const scheduledFor = fireTimes.latest(due, now);
  const isLate = now.getTime() - scheduledFor.getTime() > graceMs;
  return {
    scheduledFor,
    next: fireTimes.after(now),
    isSkipped: isLate && rules.misfire === "skip",
  };
}
