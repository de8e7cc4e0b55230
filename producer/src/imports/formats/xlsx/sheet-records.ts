import { CsvError, type CsvRecord, findHeaderError, findRowError, toRow } from "../csv/row.ts";
import { toCsvRow } from "../../error-report.ts";
import type { SheetRow } from "./read-sheet.ts";
import { XlsxError } from "./xlsx-error.ts";

/**
 * Converts rows of a sheet to records as those of a CSV file. Rows without values are skipped; a row may be shorter than
 * the header. Throws CsvError, after the records before the fault, if the sheet cannot be read.
 */
export async function* readSheetRecords(
  pages: AsyncIterable<SheetRow[]>,
  { hasHeader, isHeaderCertain }: { hasHeader: boolean; isHeaderCertain: boolean },
): AsyncGenerator<CsvRecord[], void> {
  let names: readonly string[] | undefined;
  try {
    for await (const page of pages) {
      let rows = page;
      const [first] = rows;
      if (names === undefined && first !== undefined) {
        names = hasHeader ? first.values : first.values.map((_, index) => `column${index + 1}`);
        if (hasHeader) rows = rows.slice(1);
        const detail =
          (hasHeader ? first.fault : undefined) ??
          findHeaderError(names, isHeaderCertain || !hasHeader);
        if (detail !== null) throw new CsvError(first.row, `Invalid header: ${detail}.`);
      }
      const columns = names ?? [];
      if (rows.length > 0) yield rows.map((row) => toRecord(row, columns));
    }
  } catch (error) {
    throw error instanceof XlsxError ? new CsvError(error.row, error.message) : error;
  }
  if (names === undefined && hasHeader) {
    throw new CsvError(1, "The sheet is empty: the first row must name the columns.");
  }
}

function toRecord({ row: line, values, fault }: SheetRow, names: readonly string[]): CsvRecord {
  const raw = toCsvRow(values);
  const padding = Array.from({ length: Math.max(0, names.length - values.length) }, () => "");
  const padded = [...values, ...padding];
  const detail = fault ?? findRowError(names, padded, true, names.length);
  return detail === null
    ? { status: "row", line, row: toRow(names, padded, names.length), raw }
    : { status: "bad", line, detail, raw };
}
