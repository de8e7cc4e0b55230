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
