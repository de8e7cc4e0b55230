import type { ISql } from "postgres";

/**
 * Common table expressions that record the graph events of jobs that ended. The expression `ended` must return `id`,
 * `status`, `parent_id`, `on_failure` and `waiting_children`.
 */
export const recordGraphEvents = `
  graph_changes as (
    insert into graph_events (parent_id, child_id, failure)
    select parent_id, id, case when status <> 'completed' then on_failure end from ended where parent_id is not null
    union all
    select id, null, null from ended where waiting_children
  )`;

/** The columns that `recordGraphEvents` needs. */
export const graphColumns = "parent_id, on_failure, waiting_children";

/** Whether all jobs of an import whose file was read have ended. */
export const importIsDone = (of: string) =>
  `${of}.status = 'received' and ${of}.accepted <= ${of}.completed + ${of}.dead + ${of}.cancelled + ${of}.expired`;

/**
 * Common table expression that records a graph event of the jobs that wait for the imports in `counted_imports`, which
 * must return the columns of `countedImportColumns`.
 */
export const recordImportEnds = `
  import_ends as (
    insert into graph_events (parent_id)
    select then_job from counted_imports where then_job is not null and ${importIsDone("counted_imports")}
  )`;

/** Records for the leader that an import failed or was cancelled in this transaction, if a job waits for the import. */
export async function recordImportAborted(sql: ISql, importId: string): Promise<void> {
  await sql`
    insert into graph_events (parent_id)
    select then_job from imports where id = ${importId} and then_job is not null and status in ('failed', 'cancelled')`;
}
