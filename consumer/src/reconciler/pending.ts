import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import type { Sql } from "postgres";

/** The columns of a pending row that a check of Redis needs. */
export type PendingJob = Pick<JobColumns, "id" | "generation" | "tenant" | "queue" | "type"> & {
  /** Whether the first attempt may start. */
  isDue: boolean;
};

/** The columns of a row that a re-dispatch needs. */
export type JobToDispatch = Pick<
  JobColumns,
  "id" | "generation" | "tenant" | "type" | "options" | "runAt" | "expiresAt" | "trace"
> & {
  /** JSON text. */
  data: string;
};

/** Reads a page of pending rows after an id, in id order, that are older than `graceMs` by Postgres' clock. */
export function readPending(
  sql: Sql,
  page: { after: string; graceMs: number; size: number },
): Promise<PendingJob[]> {
  return sql<PendingJob[]>`
    select id, generation, tenant, queue, type, coalesce(run_at <= now(), true) as "isDue"
    from jobs
    where status = 'pending' and waiting_children is not true and id > ${page.after}
      and created_at < now() - ${page.graceMs} * interval '1 millisecond'
    order by id
    limit ${page.size}`;
}

/**
 * Reads those jobs that are still pending in the same generation, from the start of `jobs` up to `maxBytes` of data.
 * Writes nothing: a re-dispatch must not count against the job.
 * @param jobs in id order
 * @returns jobs in id order; empty when all have ended
 */
export function readJobsToDispatch(
  sql: Sql,
  jobs: readonly PendingJob[],
  maxBytes: number,
): Promise<JobToDispatch[]> {
  return sql<JobToDispatch[]>`
    select id, generation, tenant, type, data, options, "runAt", "expiresAt", trace
    from (
      select job.*, sum(octet_length(job.data)) over (order by job.id) - octet_length(job.data) as bytes_before
      from unnest(${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.generation)}::integer[]) as target (id, generation)
      cross join lateral (
        select id, generation, tenant, type, data::text as data, options, run_at as "runAt",
               expires_at as "expiresAt", trace
        from jobs where jobs.id = target.id and jobs.generation = target.generation and status = 'pending' offset 0
      ) as job
    ) as pending
    where bytes_before < ${maxBytes} order by id`;
}
