import type { ISql, PendingQuery } from "postgres";

/**
 * Builds the condition that a job is pending with the tenant, type and key of `other`. Order by type and key, which
 * only the index of pending keys supports: the planner may pick any index for a table that seems empty.
 */
export function isPendingWithKey(sql: ISql, other: PendingQuery<[]>) {
  return sql`
    jobs.status = 'pending' and jobs.key is not null and jobs.tenant = ${other}.tenant
    and (jobs.type, jobs.key) >= (${other}.type, ${other}.key)
    and (jobs.type, jobs.key) <= (${other}.type, ${other}.key)`;
}
