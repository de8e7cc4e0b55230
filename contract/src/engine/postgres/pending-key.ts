import type { ISql, PendingQuery } from "postgres";

/**
 * Of jobs: pending with the tenant, type and key of `other`. To be ordered by type and key, as only the index of pending
 * keys is: of a table that seems to be empty the planner would take any index.
 */
export function isPendingWithKey(sql: ISql, other: PendingQuery<[]>) {
  return sql`
    jobs.status = 'pending' and jobs.key is not null and jobs.tenant = ${other}.tenant
    and (jobs.type, jobs.key) >= (${other}.type, ${other}.key)
    and (jobs.type, jobs.key) <= (${other}.type, ${other}.key)`;
}
