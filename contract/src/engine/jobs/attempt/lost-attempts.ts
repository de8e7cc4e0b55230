import type { JobColumns } from "../../postgres/tables.ts";
import { type BatchSize, createLedgerBatcher } from "./ledger-batcher.ts";
import type { AttemptLedger } from "./attempt-ledger.ts";

/**
 * Counts attempts in the ledger after Redis lost a job: BullMQ's count of stalls is lost with Redis, and a job that
 * kills every consumer must still end.
 */
export interface LostAttempts {
  /**
   * Counts an attempt; call before the handler runs. Waits for Postgres as `AttemptLedger` does.
   * @returns number of earlier attempts of this generation without an outcome
   */
  count(id: string, generation: number): Promise<number>;
  /** Removes an attempt from the count: the consumer survived and the job is still pending. */
  uncount(id: string, generation: number): Promise<void>;
}

interface Change {
  id: string;
  generation: number;
  by: 1 | -1;
}

export function createLostAttempts(ledger: AttemptLedger, batch: BatchSize): LostAttempts {
  const { submit } = createLedgerBatcher<Change, number>({
    ...batch,
    async run(entries) {
      const ids = entries.map(({ id }) => id);
      const rows = await ledger.retryUntilAvailable(
        (sql) => sql<Pick<JobColumns, "id" | "lostAttempts">[]>`
          update jobs set lost_attempts = greatest(0, lost_attempts + by)
          from (
            select id, generation, sum(by)::int as by
            from unnest(
              ${ids}::uuid[], ${entries.map(({ generation }) => generation)}::int[], ${entries.map(({ by }) => by)}::int[]
            ) as entry (id, generation, by) group by id, generation
          ) as change
          where jobs.id = any(${ids}::uuid[]) and jobs.id = change.id and jobs.generation = change.generation
            and status = 'pending'
          returning jobs.id, lost_attempts as "lostAttempts"`,
      );
      const lost = new Map(rows.map((row) => [row.id, row.lostAttempts]));
      return entries.map(({ id }) => lost.get(id) ?? 0);
    },
  });

  return {
    count: async (id, generation) => Math.max(0, (await submit({ id, generation, by: 1 })) - 1),
    uncount: async (id, generation) => void (await submit({ id, generation, by: -1 })),
  };
}
