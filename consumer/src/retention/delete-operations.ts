import type { ISql } from "postgres";
import type { DeleteBatch, DeleteResult } from "./sweeps.ts";

/** Deletes operations that ended (done, stopped or failed) before the given age. */
export async function deleteOperations(
  sql: ISql,
  { ageMs, size }: DeleteBatch,
): Promise<DeleteResult> {
  const { count } = await sql`
    delete from operations where id in (
      select id from operations where ended_at < now() - ${ageMs} * interval '1 ms'
      order by ended_at limit ${size} for update skip locked
    )`;
  return { count, next: count < size ? undefined : new Date(0) };
}
