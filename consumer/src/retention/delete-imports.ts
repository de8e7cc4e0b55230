import { raiseMarks } from "@toril/contract/engine/postgres/retention-marks";
import type { ISql } from "postgres";
import type { DeleteBatch, DeleteResult } from "./sweeps.ts";

const maxImports = 100;

/**
 * Deletes imports that have been read or aborted and whose jobs have all ended; first their rows, `size` rows per
 * batch. Ids ascend with time, so younger imports are not read.
 */
export async function deleteImports(
  sql: ISql,
  { ageMs, size }: DeleteBatch,
): Promise<DeleteResult> {
  const before = sql`now() - ${ageMs} * interval '1 ms'`;
  const [row] = await sql<{ count: number; isMore: boolean }[]>`
    with due as (
      select id, tenant from imports
      where id < (lpad(to_hex((extract(epoch from ${before}) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
        and touched_at < ${before} and completed + dead + cancelled + expired >= accepted
      order by id limit ${maxImports} for update skip locked
    ), doomed as (
      select r.tenant, r.import_id, r.row from due
      cross join lateral (
        select tenant, import_id, row from imported_rows
        where tenant = due.tenant and import_id = due.id limit ${size}
      ) as r
      limit ${size}
    ), rows as (
      delete from imported_rows as r using doomed
      where r.tenant = doomed.tenant and r.import_id = doomed.import_id and r.row = doomed.row
    ), deleted as (
      delete from imports
      where id = any(array(select id from due)) and (select count(*) from doomed) < ${size}
      returning id, tenant
    ), marks as (${raiseMarks(sql, "import", "deleted")})
    select (select count(*)::int from deleted) as count,
           (select count(*) from doomed) = ${size} or (select count(*) from due) = ${maxImports} as "isMore"`;
  const { count = 0, isMore = false } = row ?? {};
  return { count, next: isMore ? new Date(0) : undefined };
}
