import { highestId, lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
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
  /** When the job became ready or will be due; null if that was not recorded: after a retry, or after its children ended. */
  readyAt: Date | null;
};

export interface PageQuery {
  after: string;
  /** The last id of the page, if not the last job's. */
  last?: string | undefined;
  /** Minimum age by Postgres' clock. */
  graceMs: number;
  size: number;
}

/** The row of `reconciler_progress`. */
const progressId = 1;

/** Reads up to which id the last unfinished pass has come, made by this leader or by another one. */
export async function readProgress(sql: Sql): Promise<string> {
  const [row] = await sql<{ lastId: string }[]>`
    select last_id as "lastId" from reconciler_progress where id = ${progressId}`;
  return row?.lastId ?? lowestId;
}

export async function saveProgress(sql: Sql, lastId: string): Promise<void> {
  await sql`
    insert into reconciler_progress (id, last_id) values (${progressId}, ${lastId})
    on conflict (id) do update set last_id = excluded.last_id`;
}

/** Reads a page of pending rows, in id order. */
export function readPending(sql: Sql, page: PageQuery): Promise<PendingJob[]> {
  return sql<PendingJob[]>`
    select id, generation, tenant, queue, type, coalesce(run_at <= now(), true) as "isDue"
    from jobs
    where status = 'pending' and waiting_children is not true
      and id > ${page.after} and id <= ${page.last ?? highestId}
      and created_at < now() - ${page.graceMs} * interval '1 millisecond'
    order by id
    limit ${page.size}`;
}

/** A job that was noted as undispatched. `isPending` is null after retention deleted the job. */
type NotedJob = PendingJob & { isPending: boolean | null; isOld: boolean | null };

/** Reads a page of the jobs that were noted as undispatched, in id order, whatever their age and status. */
export function readUndispatched(sql: Sql, page: Omit<PageQuery, "last">): Promise<NotedJob[]> {
  return sql<NotedJob[]>`
    select job_id as id, generation, tenant, queue, type, coalesce(run_at <= now(), true) as "isDue",
           status = 'pending' and waiting_children is not true as "isPending",
           created_at < now() - ${page.graceMs} * interval '1 millisecond' as "isOld"
    from (select job_id from undispatched_jobs where job_id > ${page.after} order by job_id limit ${page.size}) as noted
    left join jobs on jobs.id = noted.job_id
    order by job_id`;
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
    select id, generation, tenant, type, data, options, "runAt", "expiresAt", trace, "readyAt"
    from (
      select job.*, sum(octet_length(job.data)) over (order by job.id) - octet_length(job.data) as bytes_before
      from unnest(${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.generation)}::integer[]) as target (id, generation)
      cross join lateral (
        select id, generation, tenant, type, data::text as data, options, run_at as "runAt",
               expires_at as "expiresAt", trace,
               case when generation = 0 and waiting_children is null then coalesce(run_at, created_at) end as "readyAt"
        from jobs where jobs.id = target.id and jobs.generation = target.generation and status = 'pending' offset 0
      ) as job
    ) as pending
    where bytes_before < ${maxBytes} order by id`;
}
