import type { ISql } from "postgres";
import type { ChildCounts } from "../../../api/jobs/graph.ts";
import type { JobStatus } from "../../../api/jobs/job-states.ts";
import type { JobColumns } from "../../postgres/tables.ts";

/**
 * Builds the numbers of jobs that the row in `jobs` waits or waited for as JSON: its children, or the jobs of an import.
 * Null for a job that waits for none.
 */
export function selectChildCounts(sql: ISql) {
  return sql<[]>`
    case when jobs.waiting_children is not null then coalesce((
      select json_build_object(
        'total', imports.accepted, 'pending', imports.accepted - imports.completed - imports.dead - imports.cancelled - imports.expired,
        'completed', imports.completed, 'dead', imports.dead, 'cancelled', imports.cancelled, 'expired', imports.expired,
        'import', json_build_object('id', imports.id, 'read', imports.read, 'accepted', imports.accepted,
          'duplicate', imports.duplicate, 'rejected', imports.rejected)
      ) from imports where imports.then_job = jobs.id
    ), (
      select json_build_object(
        'total', count(*), 'pending', count(*) filter (where child.status = 'pending'),
        'completed', count(*) filter (where child.status = 'completed'),
        'dead', count(*) filter (where child.status = 'dead'),
        'cancelled', count(*) filter (where child.status = 'cancelled'),
        'expired', count(*) filter (where child.status = 'expired')
      ) from jobs as child where child.parent_id = jobs.id
    )) end`;
}

/** Reads the numbers of jobs that a job waits or waited for; null for a job that waits for none. */
export async function readChildCounts(sql: ISql, id: string): Promise<ChildCounts | null> {
  const [row] = await sql<{ counts: ChildCounts | null }[]>`
    select ${selectChildCounts(sql)} as counts from jobs where id = ${id}`;
  return row?.counts ?? null;
}

/**
 * Finds the jobs that a job waits for. Their ids are read from an index of children, or of the jobs of an import.
 */
async function findMembership(sql: ISql, parent: string) {
  const [imported] = await sql<{ id: string }[]>`select id from imports where then_job = ${parent}`;
  // A function, because a query is a promise, which an asynchronous function would wait for.
  return () =>
    imported === undefined ? sql<[]>`parent_id = ${parent}` : sql<[]>`import_id = ${imported.id}`;
}

/** Reads the ids of a page of children after an id, in order of their ids. */
export async function readChildIds(
  sql: ISql,
  parent: string,
  page: { after: string; status?: JobStatus | undefined; limit: number },
): Promise<string[]> {
  const { after, status, limit } = page;
  const isMember = await findMembership(sql, parent);
  const rows = await sql<Pick<JobColumns, "id">[]>`
    select id from jobs
    where ${isMember()} and id > ${after} ${status === undefined ? sql`` : sql`and status = ${status}`}
    order by id limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** A child as its parent's handler reads it. */
export type ChildResult = Pick<JobColumns, "id" | "type" | "key" | "status" | "result" | "error">;

/** Reads a page of children with their results, as many as fit into `maxBytes` but at least one. */
export async function readChildResults(
  sql: ISql,
  parent: string,
  { after, limit, maxBytes }: { after: string; limit: number; maxBytes: number },
): Promise<ChildResult[]> {
  const isMember = await findMembership(sql, parent);
  return sql<ChildResult[]>`
    select id, type, key, status, result, error from (
      select page.*, coalesce(sum(octet_length(result::text)) over (
        order by id rows between unbounded preceding and 1 preceding), 0) as bytes_before
      from (
        select id, type, key, status, result, error from jobs
        where ${isMember()} and id > ${after} order by id limit ${limit}
      ) as page
    ) as sized where bytes_before < ${maxBytes} order by id`;
}
