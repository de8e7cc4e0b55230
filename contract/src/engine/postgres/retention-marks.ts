import type { ISql } from "postgres";

/** What retention deletes and clients may ask for afterwards. */
export type Kept = "job" | "import";

/**
 * The part of a statement that notes what it deletes.
 * @param deleted a common table expression with the tenants and ids
 */
export function raiseMarks(sql: ISql, what: Kept, deleted: string) {
  return sql`
    insert into retention_marks (tenant, what, newest)
    select tenant, ${what}, max(id::text collate "C")::uuid from ${sql(deleted)}
    where ${isTimed(sql)} group by tenant
    on conflict (tenant, what) do update set newest = excluded.newest
    where retention_marks.newest < excluded.newest`;
}

/** Whether what is not there may have been deleted by retention: something as young was. */
export async function mayBeDeleted(
  sql: ISql,
  what: Kept,
  { tenant, id }: { tenant: string; id: string },
): Promise<boolean> {
  const [row] = await sql`
    select from retention_marks, (select ${id}::uuid as id) as asked
    where tenant = ${tenant} and what = ${what} and id <= newest and ${isTimed(sql)}`;
  return row !== undefined;
}

/** Ids of version 7 begin with the time at which they were made; those of others tell nothing. */
function isTimed(sql: ISql) {
  return sql`substr(id::text, 15, 1) = '7'`;
}
