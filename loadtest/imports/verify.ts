import type { SQL } from "bun";

import type { ImportedFile, Values } from "./files.ts";

/**
 * Writes the file again, from the data of the import's jobs and from the rows that their handler upserted, and compares both
 * with the file byte for byte. A lost row, a repeated one and a changed value make a difference.
 */
export async function requireSameFile(sql: SQL, importId: string, file: ImportedFile) {
  const jobs = (await sql`
    select data->'values' as values from jobs where import_id = ${importId}
    order by (data->>'row')::int, id`) as { values: Values }[];
  const rows = (await sql`
    select values from imported_rows where import_id = ${importId} order by row`) as {
    values: Values;
  }[];
  requireEqual("jobs", jobs, file);
  requireEqual("imported_rows", rows, file);
}

function requireEqual(table: string, rows: readonly { values: Values }[], file: ImportedFile) {
  const written = file.render(rows.map(({ values }) => values));
  if (written.equals(file.bytes)) return;
  throw new Error(
    `${table} has ${rows.length} rows of ${file.rows}, and does not reproduce ${file.path}`,
  );
}
