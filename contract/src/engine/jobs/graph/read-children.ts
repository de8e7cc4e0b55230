import type { ISql } from "postgres";
import type { JobStatus } from "../../../api/job-states.ts";
import type { JobColumns } from "../../postgres/tables.ts";

/** Builds the numbers of children of the row in `jobs` as JSON; null for a job without children. */
export function selectChildCounts(sql: ISql) {
  return sql<[]>`
    case when jobs.waiting_children is not null then (
      select json_build_object(
        'total', count(*), 'pending', count(*) filter (where child.status = 'pending'),
        'completed', count(*) filter (where child.status = 'completed'),
        'dead', count(*) filter (where child.status = 'dead'),
        'cancelled', count(*) filter (where child.status = 'cancelled'),
        'expired', count(*) filter (where child.status = 'expired')
      ) from jobs as child where child.parent_id = jobs.id
    ) end`;
}

/** Reads the ids of a page of children after an id, in order of their ids. */
export async function readChildIds(
  sql: ISql,
  parent: string,
  page: { after: string; status?: JobStatus | undefined; limit: number },
): Promise<string[]> {
  const { after, status, limit } = page;
  const rows = await sql<Pick<JobColumns, "id">[]>`
    select id from jobs
    where parent_id = ${parent} and id > ${after} ${status === undefined ? sql`` : sql`and status = ${status}`}
    order by id limit ${limit}`;
  return rows.map(({ id }) => id);
}

/** A child as its parent's handler reads it. */
export type ChildResult = Pick<JobColumns, "id" | "type" | "key" | "status" | "result" | "error">;

/** Reads a page of children with their results, as many as fit into `maxBytes` but at least one. */
export function readChildResults(
  sql: ISql,
  parent: string,
  { after, limit, maxBytes }: { after: string; limit: number; maxBytes: number },
): Promise<ChildResult[]> {
  return sql<ChildResult[]>`
    select id, type, key, status, result, error from (
      select page.*, coalesce(sum(octet_length(result::text)) over (
        order by id rows between unbounded preceding and 1 preceding), 0) as bytes_before
      from (
        select id, type, key, status, result, error from jobs
        where parent_id = ${parent} and id > ${after} order by id limit ${limit}
      ) as page
    ) as sized where bytes_before < ${maxBytes} order by id`;
}
