import type { JobColumns } from "@toril/contract/engine/postgres/tables";
import { JobOptions } from "@toril/contract/api/job-options";
import { type BatchSize, createLedgerBatcher } from "./batch.ts";
import type { RetryingLedger } from "../stores/retrying-ledger.ts";

export type LedgerStatus =
  | { status: "pending" }
  /** This generation of the job has ended, or was re-opened as a new generation. */
  | { status: "not-pending" }
  | { status: "unknown" };

/** A job as stored in the ledger, to restore a job whose hash Redis has lost. */
export type RecordedJob = Pick<
  JobColumns,
  "type" | "data" | "options" | "tenant" | "runAt" | "expiresAt"
>;

/** Looks up jobs from Redis in the ledger. Both methods wait for Postgres without a limit. */
export interface LedgerLookup {
  getStatus(id: string, generation: number): Promise<LedgerStatus>;
  loadJob(id: string): Promise<RecordedJob | undefined>;
}

type Row = Pick<JobColumns, "id" | "generation" | "status">;

export function createLedgerLookup(ledger: RetryingLedger, batch: BatchSize): LedgerLookup {
  const { submit: findRow } = createLedgerBatcher<string, Row | undefined>({
    ...batch,
    async run(ids) {
      const rows = await ledger.retryUntilAvailable(
        (sql) => sql<Row[]>`select id, generation, status from jobs where id = any(${ids}::uuid[])`,
      );
      const byId = new Map(rows.map((row) => [row.id, row]));
      return ids.map((id) => byId.get(id));
    },
  });

  return {
    async getStatus(id, generation) {
      const row = await findRow(id);
      if (row === undefined) return { status: "unknown" };
      return {
        status:
          row.status === "pending" && row.generation === generation ? "pending" : "not-pending",
      };
    },
    async loadJob(id) {
      const [row] = await ledger.retryUntilAvailable(
        (sql) => sql<RecordedJob[]>`
          select type, data, options, tenant, run_at as "runAt", expires_at as "expiresAt"
          from jobs where id = ${id}`,
      );
      return row && { ...row, options: JobOptions.parse(row.options) };
    },
  };
}
