import type { ISql } from "postgres";

/** How many jobs of an API key have not ended. Reads no more of the index than `limit` asks for. */
export async function countWaiting(sql: ISql, quotaKey: string, limit: number): Promise<number> {
  const [row] = await sql<{ waiting: number }[]>`
    select count(*)::int as waiting from (
      select from jobs where quota_key = ${quotaKey} and status = 'pending' limit ${limit}
    ) as found`;
  return row?.waiting ?? 0;
}
