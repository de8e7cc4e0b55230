import type { ISql } from "postgres";
import { cancelJobs, type EndedRun } from "../change/cancel.ts";
import { keyIdentity, type NewJob } from "../enqueue/new-job.ts";
import type { JobError } from "../job.ts";

/** Takes runs out of Redis, but for those that a worker has now: the others. All of them while Redis is away. */
export type TakeBack = (runs: readonly EndedRun[]) => Promise<readonly EndedRun[]>;

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
  takeBack: TakeBack,
): Promise<Map<string, EndedRun>> {
  const standing = await sql<(EndedRun & { by: string })[]>`
    select jobs.id, jobs.run, jobs.queue, asked.id as by
    from unnest(
      ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.tenant)}::text[],
      ${jobs.map((job) => job.type)}::text[], ${jobs.map((job) => job.key)}::text[]
    ) as asked (id, tenant, type, key)
    join jobs on jobs.tenant = asked.tenant and jobs.type = asked.type and jobs.key = asked.key
      and jobs.status = 'pending' and jobs.id <> asked.id
    order by jobs.id for update of jobs`;
  if (standing.length === 0) return new Map();
  const waiting = await takeBack(standing);
  const by = new Map(standing.map((run) => [run.id, run.by]));
  const ended = waiting.length === 0 ? [] : await cancelJobs(sql, waiting, replaced);
  return new Map(ended.map((run) => [by.get(run.id) ?? "", run]));
}
