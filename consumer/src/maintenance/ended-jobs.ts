import { type FinalStatus, finalStatuses } from "@toril/contract/api/jobs/job-states";
import { raiseMarks } from "@toril/contract/engine/postgres/retention-marks";
import { lowestId } from "@toril/contract/engine/jobs/enqueue/job-id";
import type { ISql, PendingQuery } from "postgres";
import { z } from "zod";

/** Parameters of one delete statement. */
export interface DeleteBatch {
  /** Retention age, by Postgres' clock. */
  ageMs: number;
  size: number;
  /** Where the previous batch ended, so that deleted rows are not scanned again; undefined in the first batch. */
  after: string | undefined;
}

export interface DeleteResult {
  count: number;
  /** Rows that were examined and are kept. */
  kept?: number;
  /** Undefined when no rows are left. */
  next: string | undefined;
}

/**
 * Retention has no index of its own: an index of `settled_at` would add a tenth to the cost of settling a job. It walks
 * the indexes of the searches, each group in order of id. Ids begin with the time of creation, so that jobs created
 * within the retention age are not examined.
 */
interface EndedIndex {
  /** Groups are the pairs of tenant and this column. */
  by: "type" | "status";
  condition: Fragment;
}

type Fragment = PendingQuery<[]>;

// Literals, because a generic plan cannot use a partial index for a parameter.
const getIndex = (sql: ISql, status: FinalStatus): EndedIndex =>
  status === "completed"
    ? { by: "type", condition: sql<[]>`status = 'completed'` }
    : { by: "status", condition: sql<[]>`status in ('dead', 'cancelled', 'expired')` };

/** Maximum number of groups that a statement visits. */
const maxGroups = 1000;

const Cursor = z.object({ tenant: z.string(), value: z.string(), id: z.string() });

/**
 * Deletes jobs that were settled before the retention age. Examines `size` jobs at most. Skips locked rows. Checks the
 * condition again on delete, because a job may have been re-opened since the select.
 */
export function deleteJobs(status: FinalStatus) {
  return async (sql: ISql, { ageMs, size, after }: DeleteBatch): Promise<DeleteResult> => {
    const index = getIndex(sql, status);
    const by = sql(index.by);
    const before = sql<[]>`now() - ${ageMs} * interval '1 ms'`;
    const isDue = sql`status = ${status} and settled_at < ${before}`;
    const [row] = await sql<{ count: number; examined: number; next: unknown }[]>`
      with recursive ${listGroups(sql, index, after)}, examined as materialized (
        select job.* from listed cross join lateral (
          select id, tenant, ${by} as value, ${isDue} as "isDue" from jobs
          where ${index.condition} and tenant = listed.tenant
            and (${by}, id) >= (listed.value, listed.id) and (${by}, id) < (listed.value, ${earliestId(sql, before)})
          order by ${by}, id limit ${size}
        ) as job
        ${index.by === "status" ? sql`where listed.value = ${status}` : sql``}
        limit ${size}
      ), due as (
        select id from jobs where id = any(array(select id from examined where "isDue")) and not ${isKeyReserved(sql)}
          and not ${isParentPending(sql)}
        order by id for update skip locked
      ), deleted as (
        delete from jobs where id = any(array(select id from due)) and ${isDue}
        returning id, tenant
      ), terms as (
        delete from job_terms where job_id = any(array(select id from deleted))
      ), marks as (${raiseMarks(sql, "job", "deleted")})
      select (select count(*)::int from deleted) as count, (select count(*)::int from examined) as examined,
        case
          when (select count(*) from examined) = ${size} then (
            select json_build_object('tenant', tenant, 'value', value, 'id', id) from examined
            order by tenant desc, value desc, id desc limit 1)
          when (select count(*) from listed) = ${maxGroups} then (
            select json_build_object('tenant', tenant, 'value', value, 'id', ${lastId}::text) from listed
            order by tenant desc, value desc limit 1)
        end as next`;
    const { count = 0, examined = 0, next = null } = row ?? {};
    return {
      count,
      kept: examined - count,
      next: next === null ? undefined : JSON.stringify(next),
    };
  };
}

const lastId = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Lists groups after a cursor, with their first id, by a loose index scan: one index entry per group. */
function listGroups(sql: ISql, { by, condition }: EndedIndex, after?: string) {
  const { tenant, value, id } = after
    ? Cursor.parse(JSON.parse(after))
    : { tenant: "", value: "", id: lowestId };
  const first = (following: Fragment) => sql`(
    select tenant, ${sql(by)} as value, id from jobs where ${condition} and ${following}
    order by tenant, ${sql(by)}, id limit 1)`;
  return sql`
    groups as (
      ${first(sql<[]>`(tenant, ${sql(by)}, id) > (${tenant}, ${value}, ${id}::uuid)`)}
      union all
      select following.* from groups cross join lateral
        ${first(sql<[]>`(tenant, ${sql(by)}) > (groups.tenant, groups.value)`)} as following
    ), listed as materialized (select * from groups limit ${maxGroups})`;
}

/** The job's key is still reserved by a dedup window; the job is kept until the window ends. */
function isKeyReserved(sql: ISql) {
  return sql`(
    key is not null and exists (
      select from dedup_windows as w
      where w.tenant = jobs.tenant and w.type = jobs.type and w.key = jobs.key and w.job_id = jobs.id and w.until > now()))`;
}

/** The job's parent has not ended and may still read the result. */
function isParentPending(sql: ISql) {
  return sql`(
    parent_id is not null and exists (
      select from jobs as parent where parent.id = jobs.parent_id and parent.status = 'pending'))`;
}

/** Builds the lowest id that was created at a time. */
export function earliestId(sql: ISql, time: Fragment) {
  return sql<
    []
  >`(lpad(to_hex((extract(epoch from ${time}) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid`;
}

/** How many of the first jobs of a group are read to find the one that was settled first. */
const firstOfGroup = 10;

/** Builds a query for the earliest `settled_at` of each status, among the first jobs of the first groups. */
export function readOldestJobs(sql: ISql) {
  const oldest = finalStatuses.map((status) => {
    const index = getIndex(sql, status);
    const by = sql(index.by);
    return sql`
      select ${status} as status, (
        with recursive ${listGroups(sql, index)}
        select min(settled_at) from listed cross join lateral (
          select settled_at from jobs
          where ${index.condition} and tenant = listed.tenant
            and (${by}, id) >= (listed.value, listed.id) and (${by}, id) <= (listed.value, ${lastId}::uuid)
          order by ${by}, id limit ${firstOfGroup}
        ) as job
        ${index.by === "status" ? sql`where listed.value = ${status}` : sql``}
      ) as settled_at`;
  });
  return oldest.reduce((all, one) => sql`${all} union all ${one}`);
}
