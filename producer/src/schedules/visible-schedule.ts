import { type ScheduleRow, toSchedule } from "@toril/contract/engine/schedules/schedule-ledger";
import { isPermitted } from "../auth/principal.ts";
import { requirePermitted } from "../http/caller.ts";
import { toEtag, requirePreconditions } from "../http/etag.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import type { ScheduleStore } from "./schedule-store.ts";
import { redactSchedule } from "../jobs/shown-data.ts";

/** Throws a problem if the schedule does not exist, or the caller's key does not permit its jobs. */
export function requireVisibleSchedule(
  context: RequestContext,
  row: ScheduleRow | undefined,
): ScheduleRow {
  if (row === undefined) throw new ProblemError("schedule-not-found");
  requirePermitted(context, { type: row.type, queue: context.jobTypes.getQueue(row.type) });
  return row;
}

export function toScheduleResponse({ jobTypes }: RequestContext, row: ScheduleRow) {
  const schedule = toSchedule(jobTypes, row);
  return { schedule, headers: { ETag: toEtag(row.version, schedule) } };
}

/**
 * Pauses or resumes a schedule.
 * @returns the response, which a request with an Idempotency-Key stores in the transaction of the change
 */
export async function setSchedulePaused(
  context: RequestContext,
  schedules: ScheduleStore,
  name: string,
  isPaused: boolean,
) {
  function toResponse(row: ScheduleRow | undefined) {
    const { schedule, headers } = toScheduleResponse(context, requireVisibleSchedule(context, row));
    return { schedule: redactSchedule(context, schedule), headers };
  }
  const row = await schedules.setPaused(context.principal.tenant, name, isPaused, {
    check(existing) {
      requirePreconditions(context.request, requireVisibleSchedule(context, existing).version);
    },
    async alongside(tx, left) {
      const { schedule, headers } = toResponse(left);
      await context.storeEarlyResponse?.(tx, { status: 200, headers, body: schedule });
      await context.trail.done(tx);
    },
  });
  return toResponse(row);
}

/** Returns the job types whose schedules the caller may see; undefined means all. */
export function visibleTypes({ principal, jobTypes }: RequestContext): string[] | undefined {
  if (principal.queues === null && principal.types === null) return undefined;
  return jobTypes.types
    .filter((jobType) => isPermitted(principal, jobType))
    .map(({ type }) => type);
}
