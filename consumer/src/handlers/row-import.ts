import type { rowImport } from "@toril/contract/api/job-types/row-import";
import type { Handler } from "../worker/handler.ts";
import type { UpsertImportedRow } from "../upsert/imported-rows.ts";

export function createRowImport(upsert: UpsertImportedRow): Handler<typeof rowImport> {
  return (row, { id }) => upsert(id, row);
}
