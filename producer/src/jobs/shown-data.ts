import type { DeadLetter } from "@toril/contract/api/jobs/dead-letter";
import type { Job, JobDetail } from "@toril/contract/api/jobs/job";
import type { JobTypeRegistry } from "@toril/contract/api/registry";
import type { Schedule } from "@toril/contract/api/schedule";
import { redactData } from "@toril/contract/engine/secrets/secret-data";
import type { ISql } from "postgres";
import type { EarlyResponse, RequestContext } from "../http/request-context.ts";
import { findJobRow, type JobRow } from "./read-jobs.ts";

/** Returns the data without secrets. */
export function redactJobData(
  jobTypes: JobTypeRegistry,
  { tenant, type, data }: Pick<JobRow, "tenant" | "type" | "data">,
): unknown {
  const findSecrets = jobTypes.forTenant(tenant).findRecorded(type)?.findSecrets;
  return findSecrets === undefined ? data : redactData(data, findSecrets);
}

/** Returns a changed job as the caller may see it: without `jobs:read` the response omits data, result and errors. */
export function redactJob(context: RequestContext, job: Job): Job {
  return canReadJobs(context)
    ? job
    : { ...job, data: null, result: null, error: null, progress: null };
}

export function redactJobDetail(context: RequestContext, job: JobDetail): JobDetail {
  if (canReadJobs(context)) return job;
  return { ...job, ...redactJob(context, job), failures: [], log: [], history: [] };
}

export function redactDeadLetter(context: RequestContext, deadLetter: DeadLetter): DeadLetter {
  return canReadJobs(context) ? deadLetter : { ...deadLetter, reason: null, error: null };
}

export function redactSchedule(context: RequestContext, schedule: Schedule): Schedule {
  if (canReadJobs(context)) return schedule;
  return { ...schedule, job: { type: schedule.job.type, data: null } };
}

/**
 * Returns a callback that stores the response about a job in the transaction that changes the job; undefined if the
 * response is not stored.
 * @param describe must not wait for anything that the transaction does not wait for anyway
 */
export function storeEarlyJobResponse(
  context: RequestContext,
  id: string,
  describe: (row: JobRow) => Job | Promise<Job>,
  response: Omit<EarlyResponse, "body">,
): ((tx: ISql) => Promise<void>) | undefined {
  const { storeEarlyResponse } = context;
  if (storeEarlyResponse === undefined) return undefined;
  return async (tx) => {
    const row = await findJobRow(tx, context.principal.tenant, id);
    if (row === undefined) return;
    const body = redactJob(context, await describe(row));
    await storeEarlyResponse(tx, { ...response, body });
  };
}

function canReadJobs({ principal }: RequestContext) {
  return principal.scopes.has("jobs:read");
}
