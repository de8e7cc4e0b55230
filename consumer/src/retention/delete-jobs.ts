import type { FinalStatus } from "@toril/contract/api/job-states";
import { raiseMarks } from "@toril/contract/engine/postgres/retention-marks";
import type { ISql } from "postgres";
import type { DeleteBatch, DeleteResult } from "./sweeps.ts";

/**
 * Deletes jobs in the order in which they were settled. Skips locked rows. Checks the condition again on delete,
 * because a job may have been re-opened since the select.
 */
export function deleteJobs(status: FinalStatus) {
  return async (sql: ISql, { ageMs, size, from }: DeleteBatch): Promise<DeleteResult> => {
    const isDue = sql`status = ${status} and settled_at < now() - ${ageMs} * interval '1 ms'`;
    const [row] = await sql<{ count: number; last: Date | null }[]>`
      with due as (
        select id from jobs where ${isDue} and settled_at >= ${from} and not ${isKeyReserved(sql)}
        order by settled_at limit ${size} for update skip locked
      ), deleted as (
        delete from jobs where id = any(array(select id from due)) and ${isDue}
        returning id, tenant, settled_at
      ), terms as (
        delete from job_terms where job_id = any(array(select id from deleted))
      ), marks as (${raiseMarks(sql, "job", "deleted")})
      select count(*)::int as count, max(settled_at) as last from deleted`;
    const { count = 0, last = null } = row ?? {};
    return { count, next: count < size ? undefined : (last ?? undefined) };
  };
}

/** The job's key is still reserved by a dedup window; the job is kept until the window ends. */
function isKeyReserved(sql: ISql) {
  return sql`(
    key is not null and exists (
      select from dedup_windows as w
      where w.tenant = jobs.tenant and w.type = jobs.type and w.key = jobs.key and w.job_id = jobs.id and w.until > now()))`;
}
