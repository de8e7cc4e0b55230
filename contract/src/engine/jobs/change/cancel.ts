import type { JobColumns } from "../../postgres/tables.ts";
import type { ISql } from "postgres";
import { graphColumns, recordGraphEvents, recordImportEnds } from "../graph/graph-events.ts";
import type { JobError } from "../../../api/jobs/job.ts";
import {
  countedImportColumns,
  endedJobColumns,
  importEvents,
  jobEvents,
} from "../../webhooks/record-events.ts";

/** A generation of a job that has ended in the ledger and may still exist in Redis. */
export type CancelledJob = Pick<JobColumns, "id" | "generation" | "queue">;

const cancelled: JobError = { name: "Cancelled", message: "The job was cancelled." };

/**
 * Cancels the pending jobs among `jobs`, updates the counts of their imports and records the events of webhooks. A
 * given `generation` must be the current generation.
 * @returns the generations that were cancelled
 */
export function cancelJobs(
  sql: ISql,
  jobs: readonly { id: string; generation?: number }[],
  error: JobError = cancelled,
): Promise<CancelledJob[]> {
  // Locked in order of id, so that concurrent changes of the same jobs or imports do not deadlock.
  const ids = jobs.map(({ id }) => id);
  const generations = jobs.map(({ generation }) => generation ?? null);
  return sql<CancelledJob[]>`
    with locked as (
      select jobs.id from jobs
      join unnest(${ids}::uuid[], ${generations}::int[]) as requested (id, generation)
        on requested.id = jobs.id and coalesce(requested.generation, jobs.generation) = jobs.generation
      where jobs.id = any(${ids}::uuid[]) and status = 'pending' order by jobs.id for update of jobs
    ), ended as (
      update jobs set status = 'cancelled', error = ${JSON.stringify(error)}::text::jsonb, settled_at = now()
      where id = any(array(select id from locked)) and status = 'pending'
      returning ${sql.unsafe(endedJobColumns)}, ${sql.unsafe(graphColumns)}
    ), ${sql.unsafe(recordGraphEvents)}, counts as (
      select import_id, count(*) as cancelled from ended where import_id is not null group by import_id
    ), locked_imports as (
      select id from imports where id = any(array(select import_id from counts)) order by id for update
    ), counted_imports as (
      update imports set cancelled = imports.cancelled + counts.cancelled
      from counts
      where imports.id = any(array(select id from locked_imports)) and imports.id = counts.import_id
      returning ${sql.unsafe(countedImportColumns)}
    ), ${sql.unsafe(jobEvents)}, ${sql.unsafe(importEvents)}, ${sql.unsafe(recordImportEnds)}
    select id, generation, queue from ended`;
}
