import { runIsolating } from "../../batcher.ts";
import { isRowFault } from "../../postgres/errors.ts";
import { insertJobs } from "../../postgres/insert.ts";
import type { Ledger } from "../../postgres/pool.ts";
import type { NewJob } from "./new-job.ts";

/** Finds the jobs that Postgres cannot store, by inserting and rolling back. */
export async function findRefused(
  ledger: Ledger,
  jobs: readonly NewJob[],
  deadline: number,
): Promise<NewJob[]> {
  const refused = await runIsolating(
    jobs,
    (part) =>
      ledger.retryUntil(
        (sql) =>
          sql.begin(async (tx) => {
            await insertJobs(tx, part);
            await tx`rollback and chain`;
            return part.map(() => undefined);
          }),
        deadline,
      ),
    isRowFault,
    (job): NewJob | undefined => job,
  );
  return refused.filter((job) => job !== undefined);
}
