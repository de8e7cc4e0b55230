import type { ISql } from "postgres";

/** Deleted by retention, and possibly requested by clients afterwards. */
export type RetainedKind = "job" | "import";

/**
 * Builds the part of a statement that records the newest deleted id of each tenant.
 * @param deleted name of a common table expression with tenants and ids
 */
export function raiseMarks(sql: ISql, what: RetainedKind, deleted: string) {
  return sql`
    insert into retention_marks (tenant, what, newest)
    select tenant, ${what}, max(id::text collate "C")::uuid from ${sql(deleted)}
    where ${isTimed(sql)} group by tenant
    on conflict (tenant, what) do update set newest = excluded.newest
    where retention_marks.newest < excluded.newest`;
}

/** Whether a missing id may have been deleted by retention: an id as new was deleted. */
export async function mayBeDeleted(
  sql: ISql,
  what: RetainedKind,
  { tenant, id }: { tenant: string; id: string },
): Promise<boolean> {
  const [row] = await sql`
    select from retention_marks, (select ${id}::uuid as id) as requested
    where tenant = ${tenant} and what = ${what} and id <= newest and ${isTimed(sql)}`;
  return row !== undefined;
}

/** Only UUIDs v7 begin with their creation time. */
function isTimed(sql: ISql) {
  return sql`substr(id::text, 15, 1) = '7'`;
}
