import type { FinalStatus } from "@toril/contract/api/jobs/job-states";
import type { ISql } from "postgres";
import { raiseMarks } from "@toril/contract/engine/postgres/retention-marks";
import {
  type DeleteBatch,
  deleteJobs,
  type DeleteResult,
  earliestId,
  readOldestJobs,
} from "./ended-jobs.ts";

type DeleteStatement = (sql: ISql, batch: DeleteBatch) => Promise<DeleteResult>;

/** Deletes the next batch of rows that have reached their retention age, by kind of row. */
export const deleteStatements = {
  completed: deleteJobs("completed"),
  dead: deleteJobs("dead"),
  cancelled: deleteJobs("cancelled"),
  expired: deleteJobs("expired"),
  imports: deleteImports,
  idempotencyKeys: deleteIdempotencyKeys,
  dedupWindows: deleteDedupWindows,
  operations: deleteOperations,
  webhookDeliveries: deleteWebhookDeliveries,
} satisfies Record<FinalStatus, DeleteStatement> & Record<string, DeleteStatement>;

export type Retainable = keyof typeof deleteStatements;

/** Where a kind of row begins again after a full batch. */
const beginning = "";

const maxImports = 100;

/**
 * Deletes old imports whose jobs have all ended, including the job that waits for the import. Deletes their rows first,
 * `size` rows per batch. Ids ascend with time, so younger imports are not read.
 */
async function deleteImports(sql: ISql, { ageMs, size }: DeleteBatch): Promise<DeleteResult> {
  const before = sql<[]>`now() - ${ageMs} * interval '1 ms'`;
  const [row] = await sql<{ count: number; isMore: boolean }[]>`
    with due as (
      select id, tenant from imports
      where id < ${earliestId(sql, before)}
        and touched_at < ${before} and (dry_run or completed + dead + cancelled + expired >= accepted)
        and not exists (select from jobs where jobs.id = imports.then_job and jobs.status = 'pending')
      order by id limit ${maxImports} for update skip locked
    ), rows_to_delete as (
      select r.tenant, r.import_id, r.row from due
      cross join lateral (
        select tenant, import_id, row from imported_rows
        where tenant = due.tenant and import_id = due.id limit ${size}
      ) as r
      limit ${size}
    ), rows as (
      delete from imported_rows as r using rows_to_delete
      where r.tenant = rows_to_delete.tenant and r.import_id = rows_to_delete.import_id and r.row = rows_to_delete.row
    ), deleted as (
      delete from imports
      where id = any(array(select id from due)) and (select count(*) from rows_to_delete) < ${size}
      returning id, tenant
    ), deleted_parts as (
      delete from import_parts where import_id = any(array(select id from deleted))
    ), deleted_errors as (
      delete from import_errors where import_id = any(array(select id from deleted))
    ), marks as (${raiseMarks(sql, "import", "deleted")})
    select (select count(*)::int from deleted) as count,
           (select count(*) from rows_to_delete) = ${size} or (select count(*) from due) = ${maxImports} as "isMore"`;
  const { count = 0, isMore = false } = row ?? {};
  return { count, next: isMore ? beginning : undefined };
}

/** Deletes old idempotency keys, including abandoned claims. */
async function deleteIdempotencyKeys(
  sql: ISql,
  { ageMs, size, after }: DeleteBatch,
): Promise<DeleteResult> {
  const isDue = sql`touched_at < now() - ${ageMs} * interval '1 ms'`;
  const [row] = await sql<{ count: number; last: Date | null }[]>`
    with due as (
      select tenant, key from idempotency_keys where ${isDue} and touched_at >= ${after ?? new Date(0)}
      order by touched_at limit ${size} for update skip locked
    ), deleted as (
      delete from idempotency_keys as k using due
      where k.tenant = due.tenant and k.key = due.key and ${isDue}
      returning touched_at
    )
    select count(*)::int as count, max(touched_at) as last from deleted`;
  const { count = 0, last = null } = row ?? {};
  return { count, next: count < size ? undefined : last?.toISOString() };
}

/** Deletes expired dedup windows. */
async function deleteDedupWindows(sql: ISql, { ageMs, size }: DeleteBatch): Promise<DeleteResult> {
  const isDue = sql`until < now() - ${ageMs} * interval '1 ms'`;
  const { count } = await sql`
    with due as (
      select tenant, type, key from dedup_windows where ${isDue}
      order by until limit ${size} for update skip locked
    )
    delete from dedup_windows as w using due
    where w.tenant = due.tenant and w.type = due.type and w.key = due.key and ${isDue}`;
  return { count, next: count < size ? undefined : beginning };
}

/** Deletes operations that ended (done, stopped or failed) before the given age. */
async function deleteOperations(sql: ISql, { ageMs, size }: DeleteBatch): Promise<DeleteResult> {
  const { count } = await sql`
    delete from operations where id in (
      select id from operations where ended_at < now() - ${ageMs} * interval '1 ms'
      order by ended_at limit ${size} for update skip locked
    )`;
  return { count, next: count < size ? undefined : beginning };
}

/** Deletes deliveries that are old, unless they are still to be sent. */
async function deleteWebhookDeliveries(
  sql: ISql,
  { ageMs, size }: DeleteBatch,
): Promise<DeleteResult> {
  const { count } = await sql`
    delete from webhook_deliveries where id in (
      select id from webhook_deliveries as d where created_at < now() - ${ageMs} * interval '1 ms'
        and (next_at is null or not exists (select from webhooks where id = d.webhook_id and is_enabled))
      order by created_at limit ${size} for update skip locked
    )`;
  return { count, next: count < size ? undefined : beginning };
}

/** Reads the age in seconds of the oldest row of each kind; null when there is none. */
export function readOldest(sql: ISql) {
  const age = (time: ReturnType<ISql>) => sql`extract(epoch from now() - ${time})::float8`;
  return sql<{ what: Retainable; seconds: number | null }[]>`
    select status as what, ${age(sql`settled_at`)} as seconds from (${readOldestJobs(sql)}) as oldest
    union all
    select 'imports', ${age(sql`(select created_at from imports order by id limit 1)`)}
    union all
    select 'idempotencyKeys', ${age(sql`(select touched_at from idempotency_keys order by touched_at limit 1)`)}
    union all
    select 'operations', ${age(sql`(select ended_at from operations where ended_at is not null order by ended_at limit 1)`)}
    union all
    select 'webhookDeliveries', ${age(sql`(select created_at from webhook_deliveries order by created_at limit 1)`)}`;
}
