import type { JobColumns } from "../../postgres/tables.ts";
import type { ISql } from "postgres";
import { PastGeneration } from "../../../api/jobs/dead-letter.ts";
import type { FinalStatus } from "../../../api/jobs/job-states.ts";
import { isPendingWithKey } from "../insert/find-existing.ts";
import { importIsDone } from "../graph/graph-events.ts";
import type { CancelledJob } from "./cancel.ts";

export interface Retry {
  /** Retries only jobs with one of these statuses. */
  statuses: readonly FinalStatus[];
  /** The API key whose quota counts the retried jobs. */
  quotaKey: string | null | undefined;
}

/** The new, pending generation of a retried job. */
export type RetriedJob = CancelledJob &
  Pick<JobColumns, "type"> & {
    /** Final status of the previous generation. */
    previousStatus: FinalStatus;
  };

/**
 * Parses the history of a job, oldest generation first. Entries that version 0.1 wrote call the generation `run`.
 */
export function parseHistory(history: readonly unknown[] | null): PastGeneration[] {
  return ((history ?? []) as (PastGeneration & { run?: number })[]).map(({ run, ...entry }) =>
    PastGeneration.parse({
      ...entry,
      generation: run ?? entry.generation,
      settledAt: new Date(entry.settledAt).toISOString(),
    }),
  );
}

/** Maximum number of entries in a job's history. */
const maxHistoryEntries = 20;
/** The history omits larger results. */
const maxHistoryResultBytes = 10_000;

/**
 * Makes ended jobs pending again, as a new generation, and moves the last outcome to the history. Skips pending jobs,
 * and jobs whose key another pending job has. Throws a unique violation if a concurrent transaction takes the key.
 */
export function retryJobs(
  sql: ISql,
  ids: readonly string[],
  { statuses, quotaKey }: Retry,
): Promise<RetriedJob[]> {
  return sql<RetriedJob[]>`
    with locked as (
      select id, tenant, type, key, status, import_id from jobs
      where id = any(${[...ids]}::uuid[]) and status = any(${[...statuses]}::text[]) order by id for update
    ), retryable as (
      -- Of jobs with the same key only the newest.
      select distinct on (tenant, type, key, case when key is null then id end) id, status, import_id from locked
      where key is null or (
        select true from jobs where ${isPendingWithKey(sql, sql<[]>`locked`)} order by jobs.type, jobs.key limit 1
      ) is null
      order by tenant, type, key, case when key is null then id end, id desc
    ), retried as (
      update jobs set status = 'pending', generation = generation + 1, lost_attempts = 0, started_at = null, duration_ms = null, worker = null, attempts = 0, result = null, error = null,
        reason = null, failures = null, settled_at = null, expires_at = null, run_at = null, quota_key = ${quotaKey ?? null},
        -- It waits again for children and jobs of an import that are pending, or retried by this statement.
        waiting_children = case when waiting_children is not null then exists (
          select from jobs as child where child.parent_id = jobs.id
            and (child.status = 'pending' or child.id = any(array(select id from retryable)))
        ) or exists (
          select from imports where then_job = jobs.id
            and (imports.status = 'receiving' or imports.status = 'received'
              and (not (${sql.unsafe(importIsDone("imports"))}) or imports.id = any(array(select import_id from retryable))))
        ) end,
        history = (
          select jsonb_agg(entry order by at) from (
            select entry, at from jsonb_array_elements(
              coalesce(history, '[]') || jsonb_build_array(
                jsonb_build_object(
                  'generation', generation, 'status', status, 'attempts', attempts, 'error', error, 'settledAt', settled_at
                ) || case when octet_length(result::text) <= ${maxHistoryResultBytes}
                       then jsonb_build_object('result', result) else '{}' end
              )
            ) with ordinality as entries (entry, at) order by at desc limit ${maxHistoryEntries}
          ) as newest
        )
      where id = any(array(select id from retryable)) and status <> 'pending'
      returning id, generation, queue, type, waiting_children
    ), past_events as (
      -- Failures of children that ended the previous generation.
      delete from graph_events where parent_id = any(array(select id from retried)) and failure is not null
    ), graph_changes as (
      -- The last child may end before this transaction does.
      insert into graph_events (parent_id) select id from retried where waiting_children
    ), counts as (
      select import_id, count(*) filter (where status = 'completed') as completed,
             count(*) filter (where status = 'dead') as dead,
             count(*) filter (where status = 'cancelled') as cancelled,
             count(*) filter (where status = 'expired') as expired
      from retryable where import_id is not null group by import_id
    ), locked_imports as (
      select id from imports where id = any(array(select import_id from counts)) order by id for update
    ), updated_imports as (
      update imports set completed = imports.completed - counts.completed, dead = imports.dead - counts.dead,
        cancelled = imports.cancelled - counts.cancelled, expired = imports.expired - counts.expired
      from counts
      where imports.id = any(array(select id from locked_imports)) and imports.id = counts.import_id
    )
    select retried.id, retried.generation, retried.queue, retried.type, retryable.status as "previousStatus" from retried join retryable using (id)`;
}
