import type { Handler } from "../worker/handler.ts";
import type { UpsertImportedRow } from "../upsert/imported-rows.ts";

export function createRowImport(upsert: UpsertImportedRow): Handler<"row.import"> {
  return (row, { id }) => upsert(id, row);
}
