import {
  byteOrderMark,
  CsvError,
  type CsvOptions,
  type CsvRecord,
  findHeaderError,
  findOtherDelimiter,
  findRowError,
  nameDelimiter,
  splitRow,
  toRow,
} from "./row.ts";
import { createRowScanner } from "./row-scanner.ts";

const maxRecords = 500;
/** Ctrl-Z, which some programs write after the last row. */
const endOfFile = "\x1A";
/** A row that is not complete yet may end with a part of its line break. */
const lineBreakBytes = 2;

/**
 * Creates a reader of rows from text that arrives in parts: counts lines, reports bad rows one by one, and limits the
 * size of a row.
 */
export function createCsvRows(options: CsvOptions) {
  const { maxRowBytes, hasHeader = true, columns, sepLine } = options;
  let { delimiter } = options;
  /** Names of all columns; the last ones may be empty. */
  let names = hasHeader ? undefined : columns;
  let named = countNamed(columns ?? []);
  let records: CsvRecord[] = [];
  let fileError: CsvError | undefined;
  let line = 1;
  /** The text from the beginning of the row at `line` on. */
  let pending = "";
  let mayHaveNul = false;
  let isHeaderValid = true;
  let scanner = createRowScanner(delimiter);
  let mayHaveSepLine = sepLine !== undefined;

  function scan(text: string, isEnd: boolean): void {
    if (fileError !== undefined) return;
    const buffer = pending + text;
    mayHaveNul = buffer.includes("\0");
    let isSepLine = false;
    const start = scanner.scan(buffer, isEnd, (from, to, hasQuotes) => {
      if (mayHaveSepLine) isSepLine = readSepLine(buffer.slice(from, to));
      if (isSepLine || fileError !== undefined) return false;
      readRow(buffer.slice(from, to), hasQuotes);
      return fileError === undefined;
    });
    pending = buffer.slice(start);
    if (isSepLine) return scan("", isEnd);
    if (isLongerThan(pending, maxRowBytes + lineBreakBytes)) failTooLong();
  }

  /** Sets the delimiter if the first line does, or compares the two. */
  function readSepLine(raw: string): boolean {
    mayHaveSepLine = false;
    const character = /^sep=([^"\0])$/i.exec(raw)?.[1];
    if (character === undefined) return false;
    if (sepLine === "agrees" && character !== delimiter) {
      const text = JSON.stringify(character);
      fail(`The first line sets the delimiter ${text}: use delimiter=${nameDelimiter(character)}.`);
      return false;
    }
    delimiter = character;
    scanner = createRowScanner(delimiter);
    line += 1;
    return true;
  }

  function readRow(raw: string, hasQuotes: boolean): void {
    if (isLongerThan(raw, maxRowBytes)) return failTooLong();
    const start = line;
    line += 1;
    if (hasQuotes) line += raw.match(/\r\n?|\n/g)?.length ?? 0;
    const values = splitRow(raw, delimiter, hasQuotes);
    if (names === undefined) {
      if (hasHeader) return readHeader(values, start, hasQuotes ? "" : raw);
      if (isBlank(raw, delimiter)) return;
      if (values === null) return fail("Unexpected quote in the first row.", start);
      names = values.map((_, index) => `column${index + 1}`);
      named = names.length;
    }
    if (!isBlank(raw, delimiter)) records.push(toRecord(names, start, values, raw));
  }

  function toRecord(
    names: readonly string[],
    start: number,
    values: readonly string[] | null,
    raw: string,
  ): CsvRecord {
    const toBad = (detail: string): CsvRecord => ({ status: "bad", line: start, detail, raw });
    if (raw.startsWith(byteOrderMark)) {
      return toBad("The row begins with a byte order mark. Were several files joined?");
    }
    if (values === null) return toBad("Unexpected quote.");
    const detail = findRowError(names, values, mayHaveNul, named);
    return detail === null
      ? { status: "row", line: start, row: toRow(names, values, named), raw }
      : toBad(detail);
  }

  /** @param unquoted the text of a header without quotes */
  function readHeader(values: readonly string[] | null, start: number, unquoted: string): void {
    names = values ?? [];
    named = countNamed(names);
    const hint = names.length === 1 && columns?.length !== 1 ? findOtherDelimiter(unquoted) : null;
    if (hint !== null) return failHeader(hint, start);
    const isCertain = options.isHeaderCertain === true || columns !== undefined;
    const detail =
      values === null
        ? "it contains an unexpected quote"
        : (findHeaderError(values.slice(0, named), isCertain) ?? findDifference(values, columns));
    if (detail !== null) failHeader(`Invalid header: ${detail}.`, start);
  }

  function failHeader(detail: string, at: number): void {
    isHeaderValid = false;
    fail(detail, at);
  }

  function failTooLong(): void {
    fail(`The row is longer than ${maxRowBytes} bytes. Is a quote not closed?`);
  }

  function fail(detail: string, at = line): void {
    fileError ??= new CsvError(at, detail);
  }

  return {
    write: (text: string) => scan(text, false),
    /** Ends the file with a fault located after `text`. */
    endWithError(text: string, detail: string): void {
      scan(text, true);
      fail(detail);
    },
    end(): void {
      scan("", true);
      let last = pending;
      while (last.endsWith(endOfFile)) last = last.slice(0, -1);
      if (scanner.isInQuotes) fail("A quote is not closed.");
      else if (last !== "" && fileError === undefined) readRow(last, scanner.hasQuotes);
      if (names === undefined && hasHeader) {
        fail("The file is empty: the first line must name the columns.");
      }
    },
    /** The names of the columns; undefined until they are known, and if the header is invalid. */
    get columns() {
      return isHeaderValid ? names : undefined;
    },
    /** Yields the records read since the last call, then throws the fault of the file. */
    *take(): Generator<CsvRecord[], void> {
      const taken = records;
      records = [];
      for (let at = 0; at < taken.length; at += maxRecords) yield taken.slice(at, at + maxRecords);
      if (fileError !== undefined) throw fileError;
    },
  };
}

/** Whether a line has no characters but delimiters. */
function isBlank(raw: string, delimiter: string): boolean {
  for (let at = 0; at < raw.length; at += 1) if (raw[at] !== delimiter) return false;
  return true;
}

/** Returns the number of columns up to the last one with a name. */
function countNamed(names: readonly string[]): number {
  return names.findLastIndex((name) => name.trim() !== "") + 1;
}

/** Whether the text has more UTF-8 bytes. A UTF-16 code unit has at most three. */
function isLongerThan(text: string, bytes: number): boolean {
  return text.length > bytes || (text.length * 3 > bytes && Buffer.byteLength(text) > bytes);
}

/** Returns why a header is not the expected one, or null. */
function findDifference(
  values: readonly string[],
  expected: readonly string[] | undefined,
): string | null {
  if (expected === undefined) return null;
  if (values.length !== expected.length) {
    return `it has ${values.length} columns, and \`columns\` of the import has ${expected.length}`;
  }
  const index = values.findIndex((value, at) => value !== expected[at]);
  return index === -1
    ? null
    : `column ${index + 1} is ${JSON.stringify(values[index])}, and \`columns\` of the import has ${JSON.stringify(expected[index])}`;
}
