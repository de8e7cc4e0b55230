import { limits } from "@toril/contract/api/limits";
import type { ImportErrorColumns } from "@toril/contract/engine/postgres/tables";
import type { ISql } from "postgres";
import type { RejectedRow } from "./chunks/import-chunk.ts";

/** Part of the rows of a file that was sent in one request. */
export const wholeFile = 0;

/**
 * Inserts rejected rows, in the transaction that counts them. Stores no more than the limit.
 * @param rejected number of rejected rows of the file or part so far, with these
 */
export async function insertErrors(
  sql: ISql,
  { importId, part }: { importId: string; part: number },
  rows: readonly RejectedRow[],
  rejected: number,
): Promise<void> {
  const limit = part === wholeFile ? limits.importErrorRows : limits.importPartErrorRows;
  const stored = rows.slice(0, Math.max(0, limit - (rejected - rows.length)));
  if (stored.length === 0) return;
  const base = part === wholeFile ? 0 : (part - 1) * limits.importPartRows;
  await sql`
    insert into import_errors (import_id, part, row, line, type, field, reason, text)
    select ${importId}::uuid, ${part}::int, * from unnest(
      ${stored.map(({ number }) => number - base)}::int[], ${stored.map(({ line }) => line)}::int[],
      ${stored.map(({ problem }) => problem.type.slice("urn:toril:problem:".length))}::text[],
      ${stored.map(({ problem }) => getField(problem))}::text[],
      ${stored.map(({ problem }) => getReason(problem))}::text[],
      ${stored.map(({ text }) => text.replaceAll("\0", "\uFFFD").toWellFormed())}::text[]
    ) on conflict do nothing`;
}

const maxReason = 1000;

function getField({ errors = [] }: RejectedRow["problem"]): string | null {
  return errors[0]?.pointer.slice(0, maxReason) ?? null;
}

function getReason({ title, detail, errors = [] }: RejectedRow["problem"]): string {
  return (detail ?? errors[0]?.detail ?? title).slice(0, maxReason).toWellFormed();
}

/** A row of the error report. */
export type ReportedRow = Pick<
  ImportErrorColumns,
  "part" | "row" | "line" | "type" | "field" | "reason" | "text"
> & { rowsBefore: number | null };

/** Selects rejected rows in the order of the file. `rowsBefore`: of earlier parts; null while one is missing. */
export function selectErrors(
  sql: ISql,
  importId: string,
  after: { part: number; row: number },
  limit: number,
): Promise<ReportedRow[]> {
  return sql<ReportedRow[]>`
    select errors.part, row, line, type, field, reason, text,
      case when errors.part = ${wholeFile} then 0 else (
        select case when count(*) filter (where status = 'received') = errors.part - 1 then coalesce(sum(read), 0)::float8 end
        from import_parts as p where p.import_id = ${importId} and p.part < errors.part
      ) end as "rowsBefore"
    from import_errors as errors
    where import_id = ${importId} and (errors.part, row) > (${after.part}, ${after.row})
    order by errors.part, row limit ${limit}`;
}
