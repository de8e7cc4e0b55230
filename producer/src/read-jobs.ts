import type { ISql } from "postgres";
import { mayBeDeleted } from "@toril/contract/ledger/retention-marks";
import type { Ledger } from "@toril/contract/ledger/pool";
import type { JobError, JobLogLine, JobOptions, JobStatus, RunError } from "@toril/contract/job";

/** A job as it stands in the ledger. */
export interface JobRow {
  id: string;
  type: string;
  queue: string;
  key: string | null;
  labels: string[] | null;
  schedule: string | null;
  importId: string | null;
  status: JobStatus;
  run: number;
  data: unknown;
  options: JobOptions;
  result: unknown;
  error: JobError | null;
  attempts: number;
  createdAt: Date;
  runAt: Date | null;
  expiresAt: Date | null;
  settledAt: Date | null;
}

/** A row with what only a look at this one job tells. */
export interface JobDetailRow extends JobRow {
  failures: RunError[] | null;
  log: JobLogLine[] | null;
  history: unknown[] | null;
}

export interface JobReader {
  find(tenant: string, id: string): Promise<JobDetailRow | undefined>;
  /** Why `find` does not find it. */
  whyMissing(tenant: string, id: string): Promise<"job-gone" | "job-not-found">;
  /** Those of the ids that the tenant has, in their order. */
  findAll(tenant: string, ids: readonly string[]): Promise<JobRow[]>;
}

export function jobColumns(sql: ISql) {
  return sql`
    id, type, queue, key, to_jsonb(labels) as labels, schedule, import_id as "importId", status, run, data, options, result, error, attempts,
    created_at as "createdAt", run_at as "runAt", expires_at as "expiresAt", settled_at as "settledAt"`;
}

export function createJobReader(ledger: Ledger): JobReader {
  return {
    find: (tenant, id) =>
      ledger.run(async (sql) => {
        const [row] = await sql<JobDetailRow[]>`
          select ${jobColumns(sql)}, failures, log, history from jobs where id = ${id} and tenant = ${tenant}`;
        return row;
      }),
    whyMissing: (tenant, id) =>
      ledger.run(async (sql) =>
        (await mayBeDeleted(sql, "job", { tenant, id })) ? "job-gone" : "job-not-found",
      ),
    findAll: (tenant, ids) =>
      ledger.run(async (sql) => {
        const rows = await sql<JobRow[]>`
          select ${jobColumns(sql)} from jobs where id = any(${[...ids]}::uuid[]) and tenant = ${tenant}`;
        const byId = new Map(rows.map((row) => [row.id, row]));
        return ids.flatMap((id) => byId.get(id) ?? []);
      }),
  };
}
