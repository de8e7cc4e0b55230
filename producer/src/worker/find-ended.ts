import type { AttemptLedger } from "@toril/contract/engine/jobs/attempt/attempt-ledger";
import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { bullId } from "@toril/contract/engine/redis/names";
import type { FinishJobsDeps } from "./finish-jobs.ts";

/** Creates the function that finds leases whose job has ended in the ledger; returns their BullMQ ids. */
export function createFindEnded(ledger: AttemptLedger): FinishJobsDeps["findEnded"] {
  return async (leases) => {
    const ids = leases.map(({ id }) => id);
    const rows = await ledger.retryUntilAvailable(
      (sql) => sql<Pick<JobColumns, "id" | "generation" | "status" | "queue">[]>`
        select id, generation, status, queue from jobs where id = any(${ids}::uuid[])`,
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return new Set(
      leases.flatMap(({ id, lease: { queue, generation } }) => {
        const row = byId.get(id);
        const hasEnded =
          row?.queue === queue &&
          (row.generation > generation ||
            (row.generation === generation && row.status !== "pending"));
        return hasEnded ? bullId(id, generation) : [];
      }),
    );
  };
}
