import type { ISql } from "postgres";
import type { DeleteBatch, DeleteResult } from "./sweeps.ts";

/** Deletes old idempotency keys, including abandoned claims. */
export async function deleteIdempotencyKeys(
  sql: ISql,
  { ageMs, size, from }: DeleteBatch,
): Promise<DeleteResult> {
  const isDue = sql`touched_at < now() - ${ageMs} * interval '1 ms'`;
  const [row] = await sql<{ count: number; last: Date | null }[]>`
    with due as (
      select tenant, key from idempotency_keys where ${isDue} and touched_at >= ${from}
      order by touched_at limit ${size} for update skip locked
    ), deleted as (
      delete from idempotency_keys as k using due
      where k.tenant = due.tenant and k.key = due.key and ${isDue}
      returning touched_at
    )
    select count(*)::int as count, max(touched_at) as last from deleted`;
  const { count = 0, last = null } = row ?? {};
  return { count, next: count < size ? undefined : (last ?? undefined) };
}
