import type { ISql } from "postgres";

/**
 * How many jobs of an API key have not ended, but for those of `exceptType`. Reads no more of the index than `limit` and the
 * jobs of that type ask for.
 */
export async function countWaiting(
  sql: ISql,
  quotaKey: string,
  limit: number,
  exceptType?: string,
): Promise<number> {
  // The order is one that only the index of quota keys has: of a table that seems to be empty any index would do.
  const [row] = await sql<{ waiting: number }[]>`
    select count(*)::int as waiting from (
      select from jobs
      where quota_key >= ${quotaKey} and quota_key <= ${quotaKey} and status = 'pending'
        ${exceptType === undefined ? sql`` : sql`and type <> ${exceptType}`}
      order by quota_key limit ${limit}
    ) as found`;
  return row?.waiting ?? 0;
}
