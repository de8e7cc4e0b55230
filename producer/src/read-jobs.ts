import type { ISql } from "postgres";
import type { Ledger } from "@toril/contract/ledger/pool";
import type { JobError, JobOptions, JobStatus } from "@toril/contract/job";

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

export interface JobFilter {
  tenant: string;
  /** Older than the job with this id. */
  before?: string | undefined;
  status?: JobStatus | undefined;
  type?: string | undefined;
  importId?: string | undefined;
  /** Only jobs of these queues and of these types. */
  reach?: { queues: readonly string[] | undefined; types: readonly string[] | undefined };
}

export interface JobReader {
  find(tenant: string, id: string): Promise<JobRow | undefined>;
  /** Newest first. */
  list(filter: JobFilter, limit: number): Promise<JobRow[]>;
}

function columns(sql: ISql) {
  return sql`
    id, type, queue, key, to_jsonb(labels) as labels, schedule, import_id as "importId", status, run, data, options, result, error, attempts,
    created_at as "createdAt", run_at as "runAt", expires_at as "expiresAt", settled_at as "settledAt"`;
}

export function createJobReader(ledger: Ledger): JobReader {
  return {
    find: (tenant, id) =>
      ledger.run(async (sql) => {
        const [row] = await sql<JobRow[]>`
          select ${columns(sql)} from jobs where id = ${id} and tenant = ${tenant}`;
        return row;
      }),
    list: (filter, limit) =>
      ledger.run(
        (sql) => sql<JobRow[]>`
          select ${columns(sql)} from jobs
          where tenant = ${filter.tenant}
            ${filter.before ? sql`and id < ${filter.before}` : sql``}
            ${filter.status ? sql`and status = ${filter.status}` : sql``}
            ${filter.type ? sql`and type = ${filter.type}` : sql``}
            ${filter.importId ? sql`and import_id = ${filter.importId}` : sql``}
            ${filter.reach?.queues ? sql`and queue = any(${[...filter.reach.queues]}::text[])` : sql``}
            ${filter.reach?.types ? sql`and type = any(${[...filter.reach.types]}::text[])` : sql``}
          order by id desc limit ${limit}`,
      ),
  };
}
