import type { ISql, PendingQuery, Row } from "postgres";
import type { JobStatus } from "../../../api/jobs/job-states.ts";
import { type JobSelection, type OperationAction, getStatus } from "../../../api/operation.ts";
import { labelTerm, scheduleTerm } from "../../../api/job-data/search-terms.ts";
import { lowestId } from "../enqueue/job-id.ts";

/** The jobs that an operation selects. */
export interface SelectionScope {
  tenant: string;
  action: OperationAction;
  filter: JobSelection;
  restrictions: Restrictions;
  /** Excludes jobs created later, by Postgres' clock, in whole milliseconds. */
  createdBefore: Date;
}

/** The queues and types that an API key may access; null or undefined: all. */
export interface Restrictions {
  queues?: readonly string[] | null | undefined;
  types?: readonly string[] | null | undefined;
}

/** Returns the condition of a statement for jobs that the restrictions permit; begins with `and`. */
export function whereRestricted(sql: ISql, { queues, types }: Restrictions) {
  return sql`
    ${queues ? sql`and queue = any(${[...queues]}::text[])` : sql``}
    ${types ? sql`and type = any(${[...types]}::text[])` : sql``}`;
}

export interface SelectedPage {
  ids: string[];
  /** The last job that was examined. */
  cursor: string | null;
  isLast: boolean;
}

/** Maximum number of rows examined for a page. */
const maxExamined = 5000;
/** The same limit for each type, where the index is ordered by type. */
const maxExaminedOfType = 1000;

const lastId = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/**
 * Selects the next jobs after the cursor, at most `size`, in order of id. Reads a bounded number of the tenant's rows
 * and none of other tenants.
 */
export async function selectJobs(
  sql: ISql,
  { tenant, action, filter, restrictions, createdBefore }: SelectionScope,
  after: string | null,
  size: number,
): Promise<SelectedPage> {
  const { type, queue, key, schedule, reason } = filter;
  const status = getStatus(action, filter);
  const { rows, limit } = selectCandidates(sql, {
    tenant,
    status,
    filter,
    start: after ?? lowestId,
  });
  const [page] = await sql<{ ids: string[]; last: string | null; examined: number }[]>`
    with examined as (
      select id, tenant, queue, type, key, status, schedule, reason, created_at from (${rows}) as jobs
      order by id limit ${limit}
    ), matching as (
      select id from examined
      where tenant = ${tenant} and status = ${status} and created_at < ${createdBefore}::timestamptz + interval '1 millisecond'
        ${type ? sql`and type = ${type}` : sql``} ${queue ? sql`and queue = ${queue}` : sql``}
        ${key ? sql`and key = ${key}` : sql``} ${schedule ? sql`and schedule = ${schedule}` : sql``}
        ${reason ? sql`and reason = ${reason}` : sql``}
        ${filter.createdAfter ? sql`and created_at >= ${new Date(filter.createdAfter)}` : sql``}
        ${filter.createdBefore ? sql`and created_at < ${new Date(filter.createdBefore)}` : sql``}
        ${whereRestricted(sql, restrictions)}
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
    isLast: !isFull && examined < limit,
  };
}

interface CandidateScope {
  tenant: string;
  status: JobStatus;
  filter: JobSelection;
  /** Excludes jobs up to this id. */
  start: string;
}

/** Selects the tenant's next jobs along the narrowest index, `limit` or more if that many exist. */
function selectCandidates(sql: ISql, { tenant, status, filter, start }: CandidateScope) {
  const { type, key, label, schedule, importId } = filter;
  /** Sorts in an order that only this index has; otherwise the planner may scan all tenants' jobs by id. */
  const scanIndex = (
    column: string,
    {
      value,
      condition,
      limit = maxExamined,
    }: { value: Fragment; condition: Fragment; limit?: number },
  ): Fragment => sql`
    select * from jobs
    where ${condition} and (${sql(column)}, id) > (${value}, ${start}::uuid) and (${sql(column)}, id) <= (${value}, ${lastId}::uuid)
    order by ${sql(column)}, id limit ${limit}`;
  const toCandidates = (rows: Fragment) => ({ rows, limit: maxExamined });

  if (importId !== undefined) {
    const condition = sql`import_id is not null`;
    return toCandidates(scanIndex("import_id", { value: sql`${importId}::uuid`, condition }));
  }
  if (key !== undefined) {
    return toCandidates(
      scanIndex("key", {
        value: sql`${key}::text`,
        condition: sql`tenant = ${tenant} and key is not null`,
      }),
    );
  }
  const term = label === undefined ? schedule && scheduleTerm(schedule) : labelTerm(label);
  if (term !== undefined) {
    return toCandidates(sql`
      select * from jobs where id = any(array(
        select job_id from job_terms where tenant = ${tenant} and term = ${term} and job_id > ${start}
        order by job_id limit ${maxExamined}))`);
  }
  // Literal statuses: with a parameter, the planner cannot use the partial indexes.
  if (status === "pending") {
    return toCandidates(
      scanIndex("tenant", { value: sql`${tenant}::text`, condition: sql`status = 'pending'` }),
    );
  }
  if (status !== "completed") {
    const condition = sql`tenant = ${tenant} and status in ('dead', 'cancelled', 'expired')`;
    return toCandidates(scanIndex("status", { value: sql`${status}::text`, condition }));
  }
  const condition = sql`tenant = ${tenant} and status = 'completed'`;
  if (type !== undefined)
    return toCandidates(scanIndex("type", { value: sql`${type}::text`, condition }));
  const limit = maxExaminedOfType;
  const rows = sql`
    with recursive types (type) as (
      (select type from jobs where ${condition} order by type limit 1)
      union all
      select (select jobs.type from jobs where ${condition} and jobs.type > types.type order by jobs.type limit 1)
      from types where types.type is not null
    )
    select jobs.* from types cross join lateral (${scanIndex("type", { value: sql`types.type`, condition, limit })}) as jobs`;
  return { rows, limit };
}

type Fragment = PendingQuery<Row[]>;
