import type { ISql } from "postgres";
import { type JobSelection, type OperationAction, statusOf } from "../operation.ts";
import { labelTerm } from "../terms.ts";

/** Which jobs an operation is for. */
export interface SelectionScope {
  tenant: string;
  action: OperationAction;
  filter: JobSelection;
  reach: Reach;
  /** Later ones are none of its, by Postgres' clock to the millisecond. */
  createdBefore: Date;
}

/** Only jobs of these queues and of these types. */
export interface Reach {
  queues?: readonly string[] | null | undefined;
  types?: readonly string[] | null | undefined;
}

export interface SelectedPage {
  ids: string[];
  /** The last job that was looked at. */
  cursor: string | null;
  isLast: boolean;
}

/** How many rows a page may read to find its jobs. */
const maxExamined = 5000;

/** The next jobs of a selection after the cursor, at most `size`, in the order of ids. Reads a bounded part of the ledger. */
export async function selectJobs(
  sql: ISql,
  { tenant, action, filter, reach, createdBefore }: SelectionScope,
  after: string | null,
  size: number,
): Promise<SelectedPage> {
  const { type, queue, key, label, importId, schedule, reason } = filter;
  const status = statusOf(action, filter);
  const start = after ?? "00000000-0000-0000-0000-000000000000";
  const labelled = sql`
    id = any(array(
      select job_id from job_terms
      where tenant = ${tenant} and term = ${labelTerm(label ?? "")} and job_id > ${start}
      order by job_id limit ${maxExamined}))`;
  const [page] = await sql<{ ids: string[]; last: string | null; examined: number }[]>`
    with examined as (
      select id, tenant, queue, type, key, status, schedule, reason, created_at from jobs
      where id > ${start} and ${label === undefined ? walk(sql, { status, tenant, importId }) : labelled}
      order by id limit ${maxExamined}
    ), matching as (
      select id from examined
      where tenant = ${tenant} and status = ${status} and created_at < ${createdBefore}::timestamptz + interval '1 millisecond'
        ${type ? sql`and type = ${type}` : sql``} ${queue ? sql`and queue = ${queue}` : sql``}
        ${key ? sql`and key = ${key}` : sql``} ${schedule ? sql`and schedule = ${schedule}` : sql``}
        ${reason ? sql`and reason = ${reason}` : sql``}
        ${filter.createdAfter ? sql`and created_at >= ${new Date(filter.createdAfter)}` : sql``}
        ${filter.createdBefore ? sql`and created_at < ${new Date(filter.createdBefore)}` : sql``}
        ${reach.queues ? sql`and queue = any(${[...reach.queues]}::text[])` : sql``}
        ${reach.types ? sql`and type = any(${[...reach.types]}::text[])` : sql``}
      order by id limit ${size}
    )
    select coalesce((select jsonb_agg(id order by id) from matching), '[]') as ids,
           (select id from examined order by id desc limit 1) as last,
           (select count(*)::int from examined) as examined`;
  const { ids = [], last = null, examined = 0 } = page ?? {};
  const isFull = ids.length === size;
  return {
    ids,
    cursor: (isFull ? ids.at(-1) : last) ?? after,
    isLast: !isFull && examined < maxExamined,
  };
}

/** Along an index: literals, because a parameter does not tell the planner which one. */
function walk(
  sql: ISql,
  { status, tenant, importId }: { status: string; tenant: string; importId: string | undefined },
) {
  if (importId !== undefined) return sql`import_id = ${importId}`;
  if (status === "pending") return sql`status = 'pending'`;
  if (status === "dead") return sql`status = 'dead' and tenant = ${tenant}`;
  return sql`true`;
}
