import { jobTypeNames, queueOf } from "@toril/contract/jobs";
import { type ScheduleRow, toSchedule } from "@toril/contract/schedule/schedule-ledger";
import { reaches } from "./auth/principal.ts";
import { requireReach } from "./caller.ts";
import { etagOf } from "./etag.ts";
import type { Exchange } from "./exchange.ts";
import { ProblemError } from "./problem.ts";

/** Throws a problem for a schedule that is not there, or makes jobs that the caller's key does not reach. */
export function reachedSchedule(exchange: Exchange, found: ScheduleRow | undefined): ScheduleRow {
  if (found === undefined) throw new ProblemError("schedule-not-found");
  requireReach(exchange, { type: found.type, queue: queueOf(found.type) });
  return found;
}

export function toAnswer(row: ScheduleRow) {
  const schedule = toSchedule(row);
  return { schedule, headers: { ETag: etagOf(row.version, schedule) } };
}

/** The types of which the caller sees schedules; undefined: of all. */
export function reachedTypes({ principal }: Exchange): string[] | undefined {
  if (principal.queues === null && principal.types === null) return undefined;
  return jobTypeNames.filter((type) => reaches(principal, { type, queue: queueOf(type) }));
}
