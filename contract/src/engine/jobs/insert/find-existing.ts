import type { ISql, PendingQuery } from "postgres";
import type { CancelledJob } from "../change/cancel.ts";
import type { ExistingJob, NewJob } from "../enqueue/new-job.ts";
import type { JobColumns } from "../../postgres/tables.ts";

export type InsertOutcome =
  | { status: "created"; createdAt: string; replaced?: CancelledJob | undefined }
  | { status: "duplicate"; job: ExistingJob };

/**
 * Builds the condition that a job is pending with the tenant, type and key of `other`. Order by type and key, which
 * only the index of pending keys supports: the planner may pick any index for a table that seems empty.
 */
export function isPendingWithKey(sql: ISql, other: PendingQuery<[]>) {
  return sql`
    jobs.status = 'pending' and jobs.key is not null and jobs.tenant = ${other}.tenant
    and (jobs.type, jobs.key) >= (${other}.type, ${other}.key)
    and (jobs.type, jobs.key) <= (${other}.type, ${other}.key)`;
}

/**
 * Finds the jobs that prevented inserts: the job itself, or the pending job with its key. A statement of its own, because
 * the snapshot of the insert does not include the transaction that the insert waited for.
 */
export async function findExisting(
  sql: ISql,
  jobs: readonly NewJob[],
  outcomes: Map<string, InsertOutcome>,
) {
  const rows = await sql<(ExistingRow & { ownId: string })[]>`
    select requested.id as "ownId", ${existingColumns(sql)}
    from unnest(
      ${jobs.map((job) => job.id)}::uuid[], ${jobs.map((job) => job.tenant)}::text[],
      ${jobs.map((job) => job.type)}::text[], ${jobs.map((job) => job.key)}::text[]
    ) as requested (id, tenant, type, key)
    cross join lateral (
      select * from jobs where jobs.id = requested.id
      union all
      (select * from jobs where ${isPendingWithKey(sql, sql<[]>`requested`)} and jobs.id <> requested.id
       order by type, key limit 1)
    ) as existing`;
  for (const { ownId, ...row } of rows) {
    if (row.id !== ownId) outcomes.set(ownId, toDuplicate(row));
    else outcomes.set(ownId, { status: "created", createdAt: row.createdAt.toISOString() });
  }
}

export type ExistingRow = Pick<
  JobColumns,
  "id" | "type" | "queue" | "key" | "status" | "createdAt" | "runAt"
>;

export function existingColumns(sql: ISql) {
  return sql`
    existing.id, existing.type, existing.queue, existing.key, existing.status, existing.created_at as "createdAt",
    existing.run_at as "runAt"`;
}

export function toDuplicate({
  id,
  type,
  queue,
  key,
  status,
  createdAt,
  runAt,
}: ExistingRow): InsertOutcome {
  const job = { id, type, queue, key, status, createdAt: createdAt.toISOString(), runAt };
  return { status: "duplicate", job };
}
