import type { Sql } from "postgres";

/** A pending row, as far as a look at Redis needs it. */
export interface PendingJob {
  id: string;
  run: number;
  queue: string;
  attempts: number;
  placings: number;
  /** Its first run may begin. */
  isDue: boolean;
}

/** A row whose placings were raised for being placed now. */
export interface JobToPlace {
  id: string;
  run: number;
  tenant: string;
  type: string;
  /** JSON text. */
  data: string;
  options: unknown;
  runAt: Date | null;
  expiresAt: Date | null;
  trace: string | null;
}

/** Before every id. */
export const firstId = "00000000-0000-0000-0000-000000000000";

/** Pending rows after an id, in the order of ids, that were accepted longer than the grace ago by Postgres' clock. */
export function readPending(
  sql: Sql,
  page: { after: string; graceMs: number; size: number },
): Promise<PendingJob[]> {
  return sql<PendingJob[]>`
    select id, run, queue, attempts, placings, coalesce(run_at <= now(), true) as "isDue"
    from jobs
    where status = 'pending' and id > ${page.after}
      and created_at < now() - ${page.graceMs} * interval '1 millisecond'
    order by id
    limit ${page.size}`;
}

/**
 * Counts a placing of rows that are still pending in their run, the first ones of `jobs` up to `maxBytes` of data.
 * @param jobs in the order of ids
 * @returns the rows counted, in that order; none when all have ended
 */
export async function countPlacing(
  sql: Sql,
  jobs: readonly PendingJob[],
  maxBytes: number,
): Promise<JobToPlace[]> {
  const rows = await sql<JobToPlace[]>`
    with standing as (
      select id, sum(bytes) over (order by id) - bytes as bytes_before
      from unnest(${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.run)}::integer[]) as asked (id, run)
      cross join lateral (
        select octet_length(data::text) as bytes from jobs
        where jobs.id = asked.id and jobs.run = asked.run and status = 'pending' offset 0
      ) as job
    )
    update jobs set placings = placings + 1
    where id = any(array(select id from standing where bytes_before < ${maxBytes})) and status = 'pending'
    returning id, run, tenant, type, data::text as data, options, run_at as "runAt",
      expires_at as "expiresAt", trace`;
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Takes back what `countPlacing` counted, for rows that could not be placed. */
export async function uncountPlacing(sql: Sql, jobs: readonly JobToPlace[]): Promise<void> {
  await sql`
    update jobs set placings = placings - 1
    where id = any(${jobs.map((job) => job.id)}::uuid[]) and status = 'pending' and placings > 0`;
}
