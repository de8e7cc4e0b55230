import type { JobData } from "@toril/contract/api/job-type";
import type { rowImport } from "@toril/contract/api/job-types/row-import";
import { createUpsert, type UpsertDeps } from "./upsert.ts";

export type ImportedRow = JobData<typeof rowImport>;
/** @param jobId the row is stored for the tenant of this job, not of the import */
export type UpsertImportedRow = (jobId: string, row: ImportedRow) => Promise<null>;

interface Encoded {
  jobId: string;
  importId: string;
  row: number;
  /** JSON text. */
  values: string;
}

export function createUpsertImportedRow(deps: UpsertDeps): UpsertImportedRow {
  const upsert = createUpsert<Encoded, null>(deps, {
    // Without the tenant: rows of two tenants with the same key are written in separate statements.
    toKey: ({ importId, row }) => `${importId} ${row}`,
    getBytes: ({ values }) => values.length,
    async write(sql, rows) {
      const jobIds = rows.map((row) => row.jobId);
      await sql`
        insert into imported_rows (tenant, import_id, row, values)
        select jobs.tenant, input.import_id, input.row, input.values
        from unnest(
          ${jobIds}::uuid[], ${rows.map((row) => row.importId)}::uuid[],
          ${rows.map((row) => row.row)}::int[], ${rows.map((row) => row.values)}::text[]::jsonb[]
        ) as input (job_id, import_id, row, values) join jobs on jobs.id = input.job_id
        where jobs.id = any(${jobIds}::uuid[])
        on conflict (tenant, import_id, row) do update set values = excluded.values
        where imported_rows.values is distinct from excluded.values`;
      return rows.map(() => null);
    },
  });
  return (jobId, { importId, row, values }) =>
    upsert({ jobId, importId, row, values: JSON.stringify(values) });
}
