import type { ISql } from "postgres";
import type { DeleteBatch, DeleteResult } from "./sweeps.ts";

/** Deletes expired dedup windows. */
export async function deleteDedupWindows(
  sql: ISql,
  { ageMs, size }: DeleteBatch,
): Promise<DeleteResult> {
  const isDue = sql`until < now() - ${ageMs} * interval '1 ms'`;
  const { count } = await sql`
    with due as (
      select tenant, type, key from dedup_windows where ${isDue}
      order by until limit ${size} for update skip locked
    )
    delete from dedup_windows as w using due
    where w.tenant = due.tenant and w.type = due.type and w.key = due.key and ${isDue}`;
  return { count, next: count < size ? undefined : new Date(0) };
}
