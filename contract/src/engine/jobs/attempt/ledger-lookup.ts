import type { JobColumns } from "../../postgres/tables.ts";
import { JobOptions } from "../../../api/jobs/job-options.ts";
import { type BatchSize, createLedgerBatcher } from "./ledger-batcher.ts";
import type { Sql } from "postgres";
import type { AttemptLedger } from "./attempt-ledger.ts";

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

/** Looks up jobs from Redis in the ledger. Both methods wait for Postgres as `AttemptLedger` does. */
export interface LedgerLookup {
  getStatus(id: string, generation: number): Promise<LedgerStatus>;
  loadJob(id: string): Promise<RecordedJob | undefined>;
}

type Target = Pick<JobColumns, "id" | "generation">;
type Row = Pick<JobColumns, "id" | "generation" | "status">;

/**
 * Whether all jobs are pending in one generation, as nearly always: a count costs less than a row per job. May return
 * false for other batches too.
 */
async function areAllPending(sql: Sql, targets: readonly Target[]): Promise<boolean> {
  const generation = targets[0]?.generation ?? 0;
  if (targets.some((target) => target.generation !== generation)) return false;
  // As a filter of the count, the condition leaves the planner only the index on the id.
  const [row] = await sql<{ pending: number }[]>`
    select count(*) filter (where status = 'pending' and generation = ${generation})::int as pending
    from jobs where id = any(${targets.map(({ id }) => id)}::uuid[])`;
  return row?.pending === targets.length;
}

export function createLedgerLookup(ledger: AttemptLedger, batch: BatchSize): LedgerLookup {
  const { submit: getStatus } = createLedgerBatcher<Target, LedgerStatus>({
    ...batch,
    run: async (targets) =>
      (await ledger.retryUntilAvailable((sql) => areAllPending(sql, targets)))
        ? targets.map(() => ({ status: "pending" }))
        : findStatuses(targets),
  });

  async function findStatuses(targets: readonly Target[]): Promise<LedgerStatus[]> {
    const ids = targets.map(({ id }) => id);
    const rows = await ledger.retryUntilAvailable(
      (sql) => sql<Row[]>`select id, generation, status from jobs where id = any(${ids}::uuid[])`,
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    return targets.map(({ id, generation }) => {
      const row = byId.get(id);
      if (row === undefined) return { status: "unknown" };
      const isPending = row.status === "pending" && row.generation === generation;
      return { status: isPending ? "pending" : "not-pending" };
    });
  }

  return {
    getStatus: (id, generation) => getStatus({ id, generation }),
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
