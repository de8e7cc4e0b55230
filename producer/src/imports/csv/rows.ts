import { parse } from "csv-parse";
import {
  CsvError,
  type CsvOptions,
  type CsvRecord,
  findHeaderError,
  findRowError,
  isWellQuoted,
  toRow,
} from "./row.ts";

const maxRecords = 500;
/** The size of a row includes its line break. */
const lineBreakBytes = 2;
/** The parser may need this many characters after a row before it emits the row. */
const lookAhead = "????????";

interface RawRecord {
  record: string[];
  /** Includes the first character of the line break. */
  raw: string;
}

/** Safe cast: csv-parse passes this shape with `raw: true`, which its types do not express. */
function asRawRecord(row: unknown): RawRecord {
  return row as RawRecord;
}

/** Wraps csv-parse: adds line numbers, reports bad rows one by one, and limits the buffered bytes. */
export function createCsvRows({ delimiter, maxRowBytes }: CsvOptions) {
  let names: readonly string[] | undefined;
  let records: CsvRecord[] = [];
  let fileError: CsvError | undefined;
  let line = 1;
  let writtenBytes = 0;
  let rowStart = 0;

  const parser = parse({
    delimiter,
    record_delimiter: ["\r\n", "\n", "\r"],
    raw: true,
    relax_column_count: true,
    // A stray quote then ends its field at the next delimiter instead of swallowing the following rows; `isWellQuoted`
    // detects it.
    relax_quotes: true,
    on_record(row, { bytes }) {
      const { record, raw } = asRawRecord(row);
      if (fileError === undefined) onRow(record, raw, bytes);
      return null;
    },
  });
  // Each error also reaches the callback of the write that caused it.
  parser.on("error", () => {});

  function onRow(values: string[], raw: string, endBytes: number): void {
    if (endBytes - rowStart > maxRowBytes + lineBreakBytes) return failTooLong();
    rowStart = endBytes;
    const start = line;
    line += 1;
    const hasQuotes = raw.includes('"');
    const text = hasQuotes ? raw.replace(/[\r\n]$/, "") : raw;
    if (hasQuotes) line += text.match(/\r\n?|\n/g)?.length ?? 0;
    const isQuoted = !hasQuotes || isWellQuoted(text, delimiter);
    if (names === undefined) return readHeader(values, isQuoted);
    if (values.length === 1 && values[0] === "" && !hasQuotes) return;
    const detail = isQuoted ? findRowError(names, values) : "Unexpected quote.";
    records.push(
      detail === null
        ? { status: "row", line: start, row: toRow(names, values) }
        : { status: "bad", line: start, detail },
    );
  }

  function readHeader(values: string[], isQuoted: boolean): void {
    const detail = isQuoted ? findHeaderError(values) : "it contains an unexpected quote";
    if (detail !== null) fileError = new CsvError(1, `Invalid header: ${detail}.`);
    names = values;
  }

  function failTooLong(): void {
    fail(`The row is longer than ${maxRowBytes} bytes. Is a quote not closed?`);
  }

  function fail(detail: string): void {
    fileError ??= new CsvError(line, detail);
  }

  async function write(text: string): Promise<void> {
    if (text === "" || fileError !== undefined) return;
    const bytes = Buffer.from(text);
    writtenBytes += bytes.length;
    await promisify((done) => parser.write(bytes, done));
    if (writtenBytes - rowStart > maxRowBytes + lookAhead.length) failTooLong();
  }

  /** Ends the file with a fault located after `text`. */
  async function endWithError(text: string, detail: string): Promise<void> {
    await write(text + lookAhead);
    fail(detail);
  }

  async function end(): Promise<void> {
    if (fileError !== undefined) return;
    try {
      await promisify((done) => parser.end(done));
    } catch (error) {
      if ((error as { code?: string }).code !== "CSV_QUOTE_NOT_CLOSED") throw error;
      fail("A quote is not closed.");
    }
    if (names === undefined) fail("The file is empty: the first line must name the columns.");
  }

  function* take(): Generator<CsvRecord[], void> {
    const taken = records;
    records = [];
    for (let at = 0; at < taken.length; at += maxRecords) yield taken.slice(at, at + maxRecords);
    if (fileError !== undefined) throw fileError;
  }

  return { write, endWithError, end, take, close: () => void parser.destroy() };
}

function promisify(start: (done: (error?: Error | null) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()));
  });
}
