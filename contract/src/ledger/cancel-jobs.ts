import type { ISql } from "postgres";
import type { JobError } from "../job.ts";

/** Ends jobs that are still pending in that run, and counts them for their imports. Tells how many they were. */
export async function cancelJobs(
  sql: ISql,
  jobs: readonly { id: string; run: number }[],
  error: JobError,
): Promise<number> {
  if (jobs.length === 0) return 0;
  const ids = jobs.map(({ id }) => id);
  // By an array of ids, and with the imports held in one order, for the reasons that settling has.
  const ended = await sql`
    with ended as (
      update jobs set status = 'cancelled', error = ${JSON.stringify(error)}::text::jsonb, settled_at = now()
      from unnest(${ids}::uuid[], ${jobs.map(({ run }) => run)}::int[]) as s (id, run)
      where jobs.id = any(${ids}::uuid[]) and jobs.id = s.id and jobs.run = s.run and jobs.status = 'pending'
      returning jobs.id, jobs.import_id
    ), counts as (
      select import_id, count(*) as cancelled from ended where import_id is not null group by import_id
    ), held as (
      select id from imports where id = any(array(select import_id from counts)) order by id for update
    ), counted as (
      update imports set cancelled = imports.cancelled + counts.cancelled from counts
      where imports.id = any(array(select id from held)) and imports.id = counts.import_id
    )
    select id from ended`;
  return ended.length;
}
