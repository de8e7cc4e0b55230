import type { DeadLetter } from "@toril/contract/api/dead-letter";
import type { Job, JobDetail } from "@toril/contract/api/job";
import { findJobType } from "@toril/contract/api/job-types/index";
import type { Schedule } from "@toril/contract/api/schedule";
import { redactData } from "@toril/contract/engine/secrets/secret-data";
import type { RequestContext } from "../http/request-context.ts";
import type { JobRow } from "./read-jobs.ts";

/** Returns the data without secrets. */
export function redactJobData({ type, data }: Pick<JobRow, "type" | "data">): unknown {
  const findSecrets = findJobType(type)?.findSecrets;
  return findSecrets === undefined ? data : redactData(data, findSecrets);
}

/** Returns a changed job as the caller may see it: without `jobs:read` the response omits data, result and errors. */
export function redactJob(exchange: RequestContext, job: Job): Job {
  return canReadJobs(exchange)
    ? job
    : { ...job, data: null, result: null, error: null, progress: null };
}

export function redactJobDetail(exchange: RequestContext, job: JobDetail): JobDetail {
  if (canReadJobs(exchange)) return job;
  return { ...job, ...redactJob(exchange, job), failures: [], log: [], history: [] };
}

export function redactDeadLetter(exchange: RequestContext, deadLetter: DeadLetter): DeadLetter {
  return canReadJobs(exchange) ? deadLetter : { ...deadLetter, reason: null, error: null };
}

export function redactSchedule(exchange: RequestContext, schedule: Schedule): Schedule {
  if (canReadJobs(exchange)) return schedule;
  return { ...schedule, job: { type: schedule.job.type, data: null } };
}

function canReadJobs({ principal }: RequestContext) {
  return principal.scopes.has("jobs:read");
}
