import { jobTypeNames, queueOf } from "@toril/contract/api/job-types/index";
import { type ScheduleRow, toSchedule } from "@toril/contract/engine/schedules/schedule-ledger";
import { isPermitted } from "../auth/principal.ts";
import { callerOf, requirePermitted } from "../http/caller.ts";
import { etagOf, requirePreconditions } from "../http/etag.ts";
import type { RequestContext } from "../http/request-context.ts";
import { ProblemError } from "../http/problem.ts";
import type { ScheduleStore } from "./schedule-store.ts";
import { redactSchedule } from "../jobs/shown-data.ts";

/** Throws a problem if the schedule does not exist, or the caller's key does not permit its jobs. */
export function requireVisibleSchedule(
  exchange: RequestContext,
  found: ScheduleRow | undefined,
): ScheduleRow {
  if (found === undefined) throw new ProblemError("schedule-not-found");
  requirePermitted(exchange, { type: found.type, queue: queueOf(found.type) });
  return found;
}

export function toAnswer(row: ScheduleRow) {
  const schedule = toSchedule(row);
  return { schedule, headers: { ETag: etagOf(row.version, schedule) } };
}

/**
 * Pauses or resumes a schedule.
 * @returns the response, which a request with an Idempotency-Key stores in the transaction of the change
 */
export async function setSchedulePaused(
  exchange: RequestContext,
  schedules: ScheduleStore,
  name: string,
  isPaused: boolean,
) {
  function toResponse(row: ScheduleRow | undefined) {
    const { schedule, headers } = toAnswer(requireVisibleSchedule(exchange, row));
    return { schedule: redactSchedule(exchange, schedule), headers };
  }
  const row = await schedules.setPaused(callerOf(exchange).tenant, name, isPaused, {
    check(found) {
      requirePreconditions(exchange.request, requireVisibleSchedule(exchange, found).version);
    },
    async alongside(tx, left) {
      const { schedule, headers } = toResponse(left);
      await exchange.keepResponse?.(tx, { status: 200, headers, answer: schedule });
    },
  });
  return toResponse(row);
}

/** Returns the job types whose schedules the caller may see; undefined means all. */
export function visibleTypes({ principal }: RequestContext): string[] | undefined {
  if (principal.queues === null && principal.types === null) return undefined;
  return jobTypeNames.filter((type) => isPermitted(principal, { type, queue: queueOf(type) }));
}
