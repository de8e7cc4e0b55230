import type { ISql } from "postgres";
import { keyIdentity, type NewJob } from "../enqueue/new-job.ts";
import {
  type ExistingRow,
  existingColumns,
  type InsertOutcome,
  toDuplicate,
} from "./find-existing.ts";
import type { DedupWindowColumns } from "../../postgres/tables.ts";

/** Opens deduplication windows; a job whose window belongs to another existing job becomes a `duplicate`. */
export async function openWindows(
  sql: ISql,
  jobs: readonly NewJob[],
  outcomes: Map<string, InsertOutcome>,
) {
  // The first job with a key wins: one statement cannot upsert the same key twice.
  const first = new Map(jobs.toReversed().map((job) => [keyIdentity(job), job]));
  const requested = jobs.filter((job) => first.get(keyIdentity(job)) === job);
  const opened = await upsertWindows(sql, requested, false);
  const own = new Set(opened.map(({ jobId }) => jobId));
  const others = jobs.filter((job) => !own.has(job.id));
  if (others.length === 0) return;
  const existing = await sql<(ExistingRow & { ownId: string })[]>`
    select requested.id as "ownId", ${existingColumns(sql)}
    from unnest(
      ${others.map((job) => job.id)}::uuid[], ${others.map((job) => job.tenant)}::text[],
      ${others.map((job) => job.type)}::text[], ${others.map((job) => job.key)}::text[]
    ) as requested (id, tenant, type, key)
    cross join lateral (
      select job_id from dedup_windows as w
      where w.tenant = requested.tenant and w.type = requested.type and w.key = requested.key offset 0
    ) as open_window
    cross join lateral (select * from jobs where jobs.id = open_window.job_id offset 0) as existing`;
  for (const row of existing) outcomes.set(row.ownId, toDuplicate(row));
  // The first statement locked these windows, and their jobs are deleted.
  const orphaned = requested.filter((job) => !own.has(job.id) && !outcomes.has(job.id));
  if (orphaned.length > 0) await upsertWindows(sql, orphaned, true);
}

/**
 * Opens windows that are free, have expired or belong to the job already; all of them if `isLocked`. Locks the windows
 * of the others. Whether the job of a window exists is decided by a later statement: the snapshot of this one does not
 * include a transaction that it waited for.
 */
function upsertWindows(sql: ISql, jobs: readonly NewJob[], isLocked: boolean) {
  return sql<Pick<DedupWindowColumns, "jobId">[]>`
    insert into dedup_windows as w (tenant, type, key, job_id, until)
    select tenant, type, key, id, now() + ms * interval '1 millisecond'
    from unnest(
      ${jobs.map((job) => job.tenant)}::text[], ${jobs.map((job) => job.type)}::text[],
      ${jobs.map((job) => job.key)}::text[], ${jobs.map((job) => job.id)}::uuid[],
      ${jobs.map((job) => String(job.dedupWindowMs))}::text[]::bigint[]
    ) as requested (tenant, type, key, id, ms)
    on conflict (tenant, type, key) do update set job_id = excluded.job_id, until = excluded.until
    where ${isLocked} or w.until <= now() or w.job_id = excluded.job_id
    returning job_id as "jobId"`;
}

/** Closes the windows of duplicates: the existing job is pending without a window, and its key is free when it ends. */
export async function closeWindows(sql: ISql, jobs: readonly NewJob[]) {
  await sql`
    delete from dedup_windows where ctid = any(array(
      select open_window.ctid
      from unnest(
        ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.tenant)}::text[],
        ${jobs.map((job) => job.type)}::text[], ${jobs.map((job) => job.key)}::text[]
      ) as requested (id, tenant, type, key)
      cross join lateral (
        select w.ctid from dedup_windows as w
        where w.tenant = requested.tenant and w.type = requested.type and w.key = requested.key and w.job_id = requested.id
        offset 0
      ) as open_window))`;
}
