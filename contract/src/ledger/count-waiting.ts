import type { ISql } from "postgres";

/** How many jobs of an API key have not ended. Reads no more of the index than `limit` asks for. */
export async function countWaiting(sql: ISql, quotaKey: string, limit: number): Promise<number> {
  // The order is one that only the index of quota keys has: of a table that seems to be empty any index would do.
  const [row] = await sql<{ waiting: number }[]>`
    select count(*)::int as waiting from (
      select from jobs
      where quota_key >= ${quotaKey} and quota_key <= ${quotaKey} and status = 'pending'
      order by quota_key limit ${limit}
    ) as found`;
  return row?.waiting ?? 0;
}
