import type { ReportedRow } from "./error-ledger.ts";

type Pages = AsyncIterable<readonly ReportedRow[]>;

/** Columns of the report. `row`: number in the file; null while the rows before are not known. */
const columns = ["row", "part", "line", "type", "field", "reason", "text"] as const;

function toReport({ part, row, rowsBefore, ...rest }: ReportedRow) {
  const { line, type, field, reason, text } = rest;
  const number = rowsBefore === null ? null : rowsBefore + row;
  return { row: number, part: part === 0 ? null : part, line, type, field, reason, text };
}

export function toNdjson(pages: Pages): ReadableStream<Uint8Array> {
  return toStream(pages, (row) => `${JSON.stringify(toReport(row))}\n`);
}

export function toCsv(pages: Pages): ReadableStream<Uint8Array> {
  return toStream(
    pages,
    (row) => {
      const report = toReport(row);
      return `${toCsvRow(columns.map((name) => toInert(report[name])))}\n`;
    },
    `${columns.join(",")}\n`,
  );
}

/** A spreadsheet program would run a text that begins like a formula. */
function toInert(value: string | number | null): string | number | null {
  const isFormula = typeof value === "string" && /^[=+\-@\t\r\n＝＋－＠]/.test(value);
  return isFormula ? `'${value}` : value;
}

export function toCsvRow(values: readonly (string | number | null)[]): string {
  return values.map(toCell).join(",");
}

function toCell(value: string | number | null): string {
  const text = String(value ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Reads a page when the client has read the one before. */
function toStream(
  pages: Pages,
  toLine: (row: ReportedRow) => string,
  head = "",
): ReadableStream<Uint8Array> {
  const iterator = pages[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      if (head !== "") controller.enqueue(encoder.encode(head));
    },
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value.map(toLine).join("")));
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}
