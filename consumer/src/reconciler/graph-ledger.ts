import { importIsDone } from "@toril/contract/engine/jobs/graph/graph-events";
import type { RetriedJob } from "@toril/contract/engine/jobs/change/retry";
import type { GraphEventColumns, JobColumns } from "@toril/contract/engine/postgres/tables";
import type { ISql, Sql } from "postgres";

/** An event, and the parent when the event was read: an event says nothing about a later generation of the parent. */
export interface GraphEvent extends GraphEventColumns {
  parentGeneration: JobColumns["generation"] | null;
  isParentWaiting: boolean | null;
  /** Cancelled or expired, so that nothing needs its children. */
  hasParentGivenUp: boolean | null;
}

/** Reads the oldest events. */
export function readGraphEvents(sql: Sql, limit: number): Promise<GraphEvent[]> {
  return sql<GraphEvent[]>`
    select seq::float8 as seq, event.parent_id as "parentId", child_id as "childId", failure,
           parent.generation as "parentGeneration",
           parent.status = 'pending' and parent.waiting_children is true as "isParentWaiting",
           parent.status in ('cancelled', 'expired') as "hasParentGivenUp"
    from (select * from graph_events order by seq limit ${limit}) as event
    left join jobs as parent on parent.id = event.parent_id
    order by seq`;
}

export async function deleteGraphEvents(sql: Sql, seqs: readonly number[]): Promise<void> {
  await sql`delete from graph_events where seq = any(${[...seqs]}::float8[]::bigint[])`;
}

/** Removes failed jobs from their graphs. */
export async function removeDependencies(sql: Sql, children: readonly string[]): Promise<void> {
  await sql`
    update jobs set parent_id = null, on_failure = null
    where id = any(${[...children]}::uuid[]) and status <> 'pending'`;
}

/** Reads some of the pending children of the jobs. A batch does not depend on the job that waits for it. */
export function readPendingChildren(
  sql: Sql,
  parents: readonly string[],
  limit: number,
): Promise<Pick<JobColumns, "id">[]> {
  return sql<Pick<JobColumns, "id">[]>`
    select id from jobs where parent_id = any(${[...parents]}::uuid[]) and status = 'pending' and on_failure is not null
    limit ${limit}`;
}

/**
 * Releases the jobs that have no pending child; those in `continued` (by id and generation) even if a child is pending.
 * A job with an event of a failed child waits until the event is handled.
 * @returns the jobs to dispatch
 */
export function releaseParents(
  sql: Sql,
  ids: readonly string[],
  continued: ReadonlyMap<string, number>,
): Promise<Omit<RetriedJob, "previousStatus">[]> {
  return sql<Omit<RetriedJob, "previousStatus">[]>`
    update jobs set waiting_children = false
    where id = any(${[...ids]}::uuid[]) and status = 'pending' and waiting_children
      and (
        (id, generation) in (
          select * from unnest(${[...continued.keys()]}::uuid[], ${[...continued.values()]}::int[])
        ) or not ${hasPending(sql)}
      )
      and not exists (select from graph_events where graph_events.parent_id = jobs.id and failure is not null)
    returning id, generation, queue, type`;
}

/** Finds jobs that wait although no child is pending. */
export async function findReadyParents(sql: Sql, limit: number): Promise<string[]> {
  const rows = await sql<Pick<JobColumns, "id">[]>`
    select id from jobs where status = 'pending' and waiting_children and not ${hasPending(sql)}
    order by id limit ${limit}`;
  return rows.map(({ id }) => id);
}

export interface WaitingParents {
  count: number;
  /** Age of the oldest, 0 if none waits. */
  oldestSeconds: number;
}

/** Counts the jobs that wait for their children or an import. Reads an index, and the oldest row. */
export async function readWaitingParents(sql: Sql): Promise<WaitingParents | undefined> {
  const [row] = await sql<WaitingParents[]>`
    select count(*)::int as count, coalesce((
      select extract(epoch from now() - created_at)::float8 from jobs
      where status = 'pending' and waiting_children order by id limit 1
    ), 0) as "oldestSeconds"
    from jobs where status = 'pending' and waiting_children`;
  return row;
}

/** Whether the row in `jobs` waits for a child, or for an import that is not done. */
function hasPending(sql: ISql) {
  return sql<[]>`(
    exists (select from jobs as child where child.parent_id = jobs.id and child.status = 'pending')
    or exists (select from imports where imports.then_job = jobs.id and not (${sql.unsafe(importIsDone("imports"))})))`;
}
