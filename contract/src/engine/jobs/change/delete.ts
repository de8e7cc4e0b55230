import type { ISql } from "postgres";
import type { CancelledJob } from "./cancel.ts";

/**
 * Deletes the dead jobs among `ids`.
 * @returns the last generations of the deleted jobs
 */
export function deleteDead(sql: ISql, ids: readonly string[]): Promise<CancelledJob[]> {
  return sql<CancelledJob[]>`
    with locked as (
      select id from jobs where id = any(${[...ids]}::uuid[]) and status = 'dead' order by id for update
    ), deleted as (
      delete from jobs where id = any(array(select id from locked)) and status = 'dead'
      returning id, generation, queue
    ), deleted_terms as (
      delete from job_terms where job_id = any(array(select id from deleted))
    )
    select id, generation, queue from deleted`;
}
