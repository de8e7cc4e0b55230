import type { ISql } from "postgres";
import { cancelJobs, type CancelledJob } from "../jobs/change/cancel.ts";
import { keyIdentity, type KeyedJob, type NewJob } from "../jobs/enqueue/new-job.ts";
import type { JobError } from "../../api/job.ts";
import { isPendingWithKey } from "./pending-key.ts";

/** Takes runs out of Redis, but for those that a worker has now: the others. All of them while Redis is away. */
export type RemoveWaiting = (runs: readonly CancelledJob[]) => Promise<readonly CancelledJob[]>;

const replaced: JobError = { name: "Replaced", message: "A later job with its key replaced it." };

/**
 * Of jobs that come at once, those that a later one with the same key replaces, each with the last of these: they are
 * not recorded.
 */
export function findReplaced(jobs: readonly NewJob[]): Map<NewJob, NewJob> {
  const last = new Map<string, NewJob>();
  const found = new Map<NewJob, NewJob>();
  if (!jobs.some((job) => job.replacesWaiting)) return found;
  for (const job of jobs.toReversed()) {
    const later = last.get(keyIdentity(job));
    if (later !== undefined) found.set(job, later);
    else if (job.replacesWaiting) last.set(keyIdentity(job), job);
  }
  return found;
}

/**
 * Cancels what is pending with the keys of these jobs, of which there is one a key, unless a worker has it. Should the
 * transaction fail, the reconciler places again what was taken out of Redis.
 * @returns the runs that it ended, by the ids of the jobs that replace them
 */
export async function replaceWaiting(
  sql: ISql,
  jobs: readonly NewJob[],
  takeBack: RemoveWaiting,
): Promise<Map<string, CancelledJob>> {
  const standing = await sql<(CancelledJob & KeyedJob)[]>`
    select id, run, queue, tenant, type, key from jobs
    where id = any(array(
      select found.id
      from unnest(
        ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.tenant)}::text[],
        ${jobs.map((job) => job.type)}::text[], ${jobs.map((job) => job.key)}::text[]
      ) as asked (id, tenant, type, key)
      cross join lateral (
        select jobs.id from jobs where ${isPendingWithKey(sql, sql<[]>`asked`)} and jobs.id <> asked.id
        order by jobs.type, jobs.key limit 1
      ) as found
    )) and status = 'pending' order by id for update`;
  if (standing.length === 0) return new Map();
  const waiting = await takeBack(standing);
  const replacing = new Map(jobs.map((job) => [keyIdentity(job), job.id]));
  const by = new Map(standing.map((run) => [run.id, replacing.get(keyIdentity(run))]));
  const ended = waiting.length === 0 ? [] : await cancelJobs(sql, waiting, replaced);
  return new Map(ended.map((run) => [by.get(run.id) ?? "", run]));
}
