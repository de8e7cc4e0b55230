import type { ISql } from "postgres";
import type { JobError } from "../job.ts";

/** A run of a job that is over in the ledger, and may still stand in Redis. */
export interface EndedRun {
  id: string;
  run: number;
  queue: string;
}

const cancelled: JobError = { name: "Cancelled", message: "It was cancelled." };

/**
 * Ends, as cancelled, those of the jobs that are pending, and counts them for their imports.
 * @returns the runs that it ended
 */
export function cancelJobs(
  sql: ISql,
  ids: readonly string[],
  error: JobError = cancelled,
): Promise<EndedRun[]> {
  // Locked in one order, so that those who end the same jobs, or jobs of the same imports, do not deadlock.
  return sql<EndedRun[]>`
    with standing as (
      select id from jobs where id = any(${[...ids]}::uuid[]) and status = 'pending' order by id for update
    ), ended as (
      update jobs set status = 'cancelled', error = ${JSON.stringify(error)}::text::jsonb, settled_at = now()
      where id = any(array(select id from standing)) and status = 'pending'
      returning id, run, queue, import_id
    ), counts as (
      select import_id, count(*) as cancelled from ended where import_id is not null group by import_id
    ), held as (
      select id from imports where id = any(array(select import_id from counts)) order by id for update
    ), counted as (
      update imports set cancelled = imports.cancelled + counts.cancelled
      from counts
      where imports.id = any(array(select id from held)) and imports.id = counts.import_id
    )
    select id, run, queue from ended`;
}
