import type { JobError, JobStatus } from "@toril/contract/api/job";
import type { Ledger } from "@toril/contract/engine/postgres/pool";

/** The columns of a job that events need. */
export interface JobOutcome {
  id: string;
  tenant: string;
  type: string;
  queue: string;
  importId: string | null;
  status: JobStatus;
  run: number;
  attempts: number;
  /** Truncated and without its stack, because many outcomes are cached. */
  error: JobError | null;
}

export type ReadOutcomes = (ids: readonly string[]) => Promise<JobOutcome[]>;

export function createReadOutcomes(ledger: Ledger): ReadOutcomes {
  return (ids) =>
    ledger.run(
      (sql) => sql<JobOutcome[]>`
        select id, tenant, type, queue, import_id as "importId", status, run, attempts,
               case when jsonb_typeof(error) = 'object' then
                 jsonb_build_object('name', left(error->>'name', 100), 'message', left(error->>'message', 1000))
               end as error
        from jobs where id = any(${[...ids]}::uuid[])`,
    );
}
