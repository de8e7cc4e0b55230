import type { ISql } from "postgres";
import type { JobError } from "../../../api/jobs/job.ts";
import { insertKeyedJobs } from "../insert/insert-jobs.ts";
import { type CancelledJob, cancelJobs } from "../change/cancel.ts";
import type { NewJob } from "../enqueue/new-job.ts";
import { type RetriedJob, retryJobs } from "../change/retry.ts";

/** The error of a job whose import failed, was cancelled or was abandoned before its file was read. */
const importAborted: JobError = {
  name: "ImportAborted",
  message: "The import that the job waited for failed or was cancelled.",
};

/** An import in one request that was not touched for this long was abandoned by a producer that died. */
export const importAbandonedAfter = "60 seconds";

/**
 * Inserts a job that runs when a batch is done. Call it in the transaction that accepts the batch. The job replaces no
 * other job.
 * @returns the id of the job that has its key; nothing was inserted then
 */
export async function insertThenJob(sql: ISql, job: NewJob): Promise<string | undefined> {
  const waiting = { ...job, waitsForChildren: true, replacesWaiting: false };
  const [outcome] = await insertKeyedJobs(sql, [waiting], async () => []);
  return outcome?.status === "duplicate" ? outcome.job.id : undefined;
}

/** Lets the leader of the consumers dispatch a job that waits for nothing. */
export async function recordNothingPending(sql: ISql, { id }: Pick<NewJob, "id">): Promise<void> {
  await sql`insert into graph_events (parent_id) values (${id})`;
}

/**
 * Cancels the waiting jobs among `ids` (undefined: all) whose import can no longer be done, unless its file is sent
 * again. Call it in a transaction: an import that is continued at the same time is either seen here, or re-opens its job.
 */
export async function cancelThenJobs(
  sql: ISql,
  ids: readonly string[] | undefined,
): Promise<CancelledJob[]> {
  const among = ids === undefined ? sql`` : sql`and jobs.id = any(${[...ids]}::uuid[])`;
  const aborted = await sql<{ id: string }[]>`
    select jobs.id from jobs join imports on imports.then_job = jobs.id
    where jobs.status = 'pending' and jobs.waiting_children ${among}
      and (imports.status in ('failed', 'cancelled')
        or imports.status = 'receiving' and imports.definition is null and imports.touched_at < now() - ${importAbandonedAfter}::interval)
    for update of imports`;
  return aborted.length === 0 ? [] : cancelJobs(sql, aborted, importAborted);
}

/** Lets the job of an import that is continued wait again, if it was cancelled because the import was interrupted. */
export async function reopenThenJob(sql: ISql, importId: string): Promise<RetriedJob[]> {
  const [job] = await sql<{ id: string; quotaKey: string | null }[]>`
    select jobs.id, jobs.quota_key as "quotaKey" from imports join jobs on jobs.id = imports.then_job
    where imports.id = ${importId} and jobs.status = 'cancelled' and jobs.error->>'name' = ${importAborted.name}`;
  if (job === undefined) return [];
  return retryJobs(sql, [job.id], { statuses: ["cancelled"], quotaKey: job.quotaKey });
}
