import type { JobColumns } from "../../postgres/tables.ts";
import type { ISql } from "postgres";
import { cancelJobs, type CancelledJob } from "../change/cancel.ts";
import { keyIdentity, type NewJob } from "../enqueue/new-job.ts";
import type { JobError } from "../../../api/jobs/job.ts";
import { isPendingWithKey } from "./find-existing.ts";

/** Removes jobs from Redis and returns those that are not active. Returns all of them while Redis is unavailable. */
export type RemoveWaiting = (jobs: readonly CancelledJob[]) => Promise<readonly CancelledJob[]>;

const replacedError: JobError = {
  name: "Replaced",
  message: "A later job with the same key replaced the job.",
};

/**
 * Finds the jobs of one request that a later job with the same key replaces. They are not recorded.
 * @returns the replacing job for each replaced job
 */
export function findReplaced(jobs: readonly NewJob[]): Map<NewJob, NewJob> {
  const last = new Map<string, NewJob>();
  const replacements = new Map<NewJob, NewJob>();
  if (!jobs.some((job) => job.replacesWaiting)) return replacements;
  for (const job of jobs.toReversed()) {
    const later = last.get(keyIdentity(job));
    if (later !== undefined) replacements.set(job, later);
    else if (job.replacesWaiting) last.set(keyIdentity(job), job);
  }
  return replacements;
}

/**
 * Cancels the pending jobs with the keys of these jobs, unless they are active. The keys must be distinct. If the
 * transaction rolls back, the reconciler re-dispatches the jobs that were removed from Redis.
 * @returns the cancelled jobs, by the ids of the jobs that replace them
 */
export async function replaceWaiting(
  sql: ISql,
  jobs: readonly NewJob[],
  removeWaiting: RemoveWaiting,
): Promise<Map<string, CancelledJob>> {
  const pending = await sql<(CancelledJob & Pick<JobColumns, "tenant" | "type" | "key">)[]>`
    select id, generation, queue, tenant, type, key from jobs
    where id = any(array(
      select existing.id
      from unnest(
        ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.tenant)}::text[],
        ${jobs.map((job) => job.type)}::text[], ${jobs.map((job) => job.key)}::text[]
      ) as requested (id, tenant, type, key)
      cross join lateral (
        select jobs.id from jobs where ${isPendingWithKey(sql, sql<[]>`requested`)} and jobs.id <> requested.id
        order by jobs.type, jobs.key limit 1
      ) as existing
    )) and status = 'pending' order by id for update`;
  if (pending.length === 0) return new Map();
  const waiting = await removeWaiting(pending);
  const replacing = new Map(jobs.map((job) => [keyIdentity(job), job.id]));
  const replacedBy = new Map(pending.map((job) => [job.id, replacing.get(keyIdentity(job))]));
  const ended = waiting.length === 0 ? [] : await cancelJobs(sql, waiting, replacedError);
  return new Map(ended.map((job) => [replacedBy.get(job.id) ?? "", job]));
}
