import type { DeadLetter } from "@toril/contract/api/dead-letter";
import type { Job, JobDetail } from "@toril/contract/api/job";
import { findJobType } from "@toril/contract/api/job-types/index";
import type { Schedule } from "@toril/contract/api/schedule";
import { redactData } from "@toril/contract/engine/secrets/secret-data";
import type { ISql } from "postgres";
import { callerOf } from "../http/caller.ts";
import type { RequestContext } from "../http/request-context.ts";
import type { KeptResponse } from "../idempotency/keep-response.ts";
import { findJobRow, type JobRow } from "./read-jobs.ts";

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

/**
 * Returns a callback that stores the response about a job in the transaction that changes the job; undefined if the
 * response is not stored.
 * @param describe must not wait for anything that the transaction does not wait for anyway
 */
export function keepingJob(
  exchange: RequestContext,
  id: string,
  describe: (row: JobRow) => Job | Promise<Job>,
  response: Omit<KeptResponse, "answer">,
): ((tx: ISql) => Promise<void>) | undefined {
  const { keepResponse } = exchange;
  if (keepResponse === undefined) return undefined;
  return async (tx) => {
    const row = await findJobRow(tx, callerOf(exchange).tenant, id);
    if (row === undefined) return;
    const answer = redactJob(exchange, await describe(row));
    await keepResponse(tx, { ...response, answer });
  };
}

function canReadJobs({ principal }: RequestContext) {
  return principal.scopes.has("jobs:read");
}
