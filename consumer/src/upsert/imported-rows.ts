import type { DataOf } from "@toril/contract/jobs";
import { createUpsert, type UpsertDeps } from "./upsert.ts";

export type ImportedRow = DataOf<"row.import">;
export type UpsertImportedRow = (row: ImportedRow) => Promise<null>;

interface Encoded {
  importId: string;
  row: number;
  /** JSON text. */
  values: string;
}

export function createUpsertImportedRow(deps: UpsertDeps): UpsertImportedRow {
  const upsert = createUpsert<Encoded, null>(deps, {
    keyOf: ({ importId, row }) => `${importId} ${row}`,
    bytesOf: ({ values }) => values.length,
    async write(sql, rows) {
      await sql`
        insert into imported_rows (import_id, row, values)
        select * from unnest(
          ${rows.map((row) => row.importId)}::uuid[], ${rows.map((row) => row.row)}::int[],
          ${rows.map((row) => row.values)}::text[]::jsonb[])
        on conflict (import_id, row) do update set values = excluded.values
        where imported_rows.values is distinct from excluded.values`;
      return rows.map(() => null);
    },
  });
  return ({ importId, row, values }) => upsert({ importId, row, values: JSON.stringify(values) });
}
