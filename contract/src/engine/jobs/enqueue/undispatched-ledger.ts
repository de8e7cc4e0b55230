import type { ISql } from "postgres";
import type { Ledger } from "../../postgres/pool.ts";

/** How long a caller waits for Postgres; the reconciler also finds jobs that were not noted, but later. */
const timeoutMs = 1000;

/** Notes recorded jobs that could not be dispatched, so that the reconciler dispatches them first. Never rejects. */
export type RecordUndispatched = (jobs: readonly { id: string }[]) => Promise<void>;

export function createRecordUndispatched(ledger: Pick<Ledger, "run">): RecordUndispatched {
  return async (jobs) => {
    // Sorted: concurrent inserts of the same ids in different orders would deadlock.
    const ids = jobs.map(({ id }) => id).toSorted();
    await ledger
      .run(
        (sql) => sql`
          insert into undispatched_jobs (job_id) select unnest(${ids}::uuid[]) on conflict do nothing`,
        { timeoutMs },
      )
      // A pass of the reconciler finds the jobs without notes.
      .catch(() => {});
  };
}

/** Deletes the notes of jobs that are in Redis or have ended. */
export async function deleteUndispatched(sql: ISql, ids: readonly string[]): Promise<void> {
  await sql`delete from undispatched_jobs where job_id = any(${ids}::uuid[])`;
}
