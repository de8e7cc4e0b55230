import type { ISql } from "postgres";

/**
 * Counts the pending jobs of an API key, up to `limit`; jobs of `exceptType` are excluded. Reads at most `limit` index
 * entries plus those of `exceptType`.
 */
export async function countWaiting(
  sql: ISql,
  quotaKey: string,
  limit: number,
  exceptType?: string,
): Promise<number> {
  // Only the quota index has this order; otherwise the planner may pick any index for a table that seems empty.
  const [row] = await sql<{ waiting: number }[]>`
    select count(*)::int as waiting from (
      select from jobs
      where quota_key >= ${quotaKey} and quota_key <= ${quotaKey} and status = 'pending'
        ${exceptType === undefined ? sql`` : sql`and type <> ${exceptType}`}
      order by quota_key limit ${limit}
    ) as pending`;
  return row?.waiting ?? 0;
}
