import { limits } from "@toril/contract/api/limits";
import { decodeText, formatDate, formatIsoDate, formatNumber, parseColumn } from "./cell-text.ts";
import { type Workbook, readWorkbook } from "./workbook.ts";
import { XlsxError, xlsxLimits } from "./xlsx-error.ts";
import { createXmlReader } from "./xml-reader.ts";
import { openZip } from "./zip-file.ts";

/** A row that has a cell with a value. `row` is its number in the sheet; the last value is not empty. */
export interface SheetRow {
  row: number;
  values: string[];
  /** Why the row cannot be used. */
  fault?: string;
}

const openAndSave = "open the file in a spreadsheet program and save it.";

/**
 * Reads the rows of a sheet lazily, in arrays, by default of the first sheet. Throws XlsxError if the workbook cannot be
 * read or exceeds a limit.
 */
export function* readSheet(
  bytes: Uint8Array,
  sheetName: string | undefined,
): Generator<SheetRow[], void> {
  requireXlsx(bytes);
  const zip = openZip(bytes);
  const workbook = readWorkbook(zip, sheetName);
  const rows = createSheetReader(workbook);
  let isEmpty = true;
  for (const slice of zip.read(workbook.sheet, xlsxLimits.sheetBytes)) {
    isEmpty = false;
    rows.write(slice);
    yield* rows.take();
  }
  if (isEmpty) throw new XlsxError("The sheet is not in the file.");
  rows.end();
  yield* rows.take();
}

function requireXlsx([first, second, third, fourth]: Uint8Array): void {
  if (first === 0x50 && second === 0x4b) return;
  const isOle = first === 0xd0 && second === 0xcf && third === 0x11 && fourth === 0xe0;
  const hint = isOle ? " It is an .xls file, or has a password: save it as .xlsx without one." : "";
  throw new XlsxError(`The file is no .xlsx workbook.${hint}`);
}

function createSheetReader(workbook: Workbook) {
  let taken: SheetRow[] = [];
  let values: string[] = [];
  let row = 0;
  let count = 0;
  let rowLength = 0;
  let length = 0;
  let column = -1;
  let type = "n";
  let style = 0;
  let text = "";
  let fault: string | undefined;
  let isInData = false;
  let isInValue = false;
  let isPhonetic = false;
  let isFormula = false;

  function fail(detail: string): never {
    throw new XlsxError(detail, row);
  }

  function openRow(r: string | undefined): void {
    const next = r === undefined ? row + 1 : Number(r);
    if (!(Number.isInteger(next) && next > row && next <= xlsxLimits.rows)) {
      fail(`No number of a row after row ${row}: ${String(r ?? next).slice(0, 20)}.`);
    }
    row = next;
  }

  function openCell({ r, t = "n", s = "0" }: Readonly<Record<string, string>>): void {
    column = r === undefined ? column + 1 : (parseColumn(r) ?? fail(`No cell: ${r.slice(0, 20)}.`));
    type = t;
    style = Number(s);
    text = "";
    isFormula = false;
  }

  function closeCell(): void {
    const value = toText();
    if (value === "") return;
    if (column >= limits.csvColumns) fail(`More than ${limits.csvColumns} columns.`);
    rowLength += value.length;
    if (rowLength > limits.dataBytes) fail(`The row is longer than ${limits.dataBytes} bytes.`);
    while (values.length < column) values.push("");
    values[column] = value;
  }

  function toText(): string {
    if (type === "inlineStr" || type === "str") return decodeText(text);
    if (text === "") {
      if (isFormula) fault ??= `The formula in column ${column + 1} has no value: ${openAndSave}`;
      return "";
    }
    if (type === "s") {
      return workbook.sharedStrings.get(Number(text)) ?? fail(`No text: ${text.slice(0, 20)}.`);
    }
    if (type === "b") return text === "1" || text === "true" ? "true" : "false";
    if (type === "d") return formatIsoDate(text);
    if (type !== "n") return decodeText(text);
    return workbook.dateStyles[style] === true ? formatDate(text, workbook) : formatNumber(text);
  }

  function closeRow(): void {
    if (values.length === 0 && fault === undefined) return;
    length += rowLength;
    count += 1;
    if (count > xlsxLimits.rows) fail(`More than ${xlsxLimits.rows} rows.`);
    if (length > xlsxLimits.rowCharacters) {
      fail(`The rows have more than ${xlsxLimits.rowCharacters} characters.`);
    }
    taken.push(fault === undefined ? { row, values } : { row, values, fault });
  }

  const reader = createXmlReader({
    open(name, attributes) {
      if (name === "sheetData") isInData = true;
      if (!isInData) return;
      if (name === "row") {
        openRow(attributes["r"]);
        [values, rowLength, column, fault] = [[], 0, -1, undefined];
      } else if (name === "c") openCell(attributes);
      else if (name === "f") isFormula = true;
      else if (name === "rPh") isPhonetic = true;
      isInValue = name === "v" || (name === "t" && !isPhonetic);
    },
    text(piece) {
      if (isInValue) text += piece;
      if (text.length > limits.dataBytes) fail(`The row is longer than ${limits.dataBytes} bytes.`);
    },
    close(name) {
      isInValue = false;
      if (!isInData) return;
      if (name === "sheetData") isInData = false;
      else if (name === "rPh") isPhonetic = false;
      else if (name === "c") closeCell();
      else if (name === "row") closeRow();
    },
  });

  return {
    write: reader.write,
    end: reader.end,
    *take(): Generator<SheetRow[], void> {
      const rows = taken;
      taken = [];
      if (rows.length > 0) yield rows;
    },
  };
}
