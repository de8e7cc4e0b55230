import { describe, expect, test } from "bun:test";
import { parse } from "csv-parse/sync";
import * as fc from "fast-check";
import { _countTurns } from "../../../../test/_turns.ts";
import { CsvError, readCsv, type CsvOptions, type CsvRecord } from "./read-csv.ts";

const options: CsvOptions = { delimiter: ",", maxRowBytes: 10_000 };

function _stream(chunks: Iterable<Uint8Array>): ReadableStream<Uint8Array> {
  const left = chunks[Symbol.iterator]();
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const next = left.next();
        if (next.done) controller.close();
        else controller.enqueue(next.value);
      },
    },
    { highWaterMark: 0 },
  );
}

/** A record without its text. */
type Parsed =
  | Omit<Extract<CsvRecord, { status: "row" }>, "raw">
  | Omit<Extract<CsvRecord, { status: "bad" }>, "raw">;

function _withoutText(record: CsvRecord): Parsed {
  const { line } = record;
  return record.status === "row"
    ? { status: "row", line, row: record.row }
    : { status: "bad", line, detail: record.detail };
}

interface Outcome {
  records: Parsed[];
  fault: { line: number; detail: string } | null;
}

async function _readChunks(
  chunks: Iterable<Uint8Array>,
  overrides: Partial<CsvOptions> = {},
): Promise<Outcome> {
  const records: Parsed[] = [];
  try {
    for await (const batch of readCsv(_stream(chunks), { ...options, ...overrides })) {
      expect(batch.length > 0 && batch.length <= 500).toBe(true);
      records.push(...batch.map(_withoutText));
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { records, fault: { line: error.line, detail: error.detail } };
  }
  return { records, fault: null };
}

async function _read(
  text: string | Uint8Array,
  overrides: Partial<CsvOptions> = {},
): Promise<Outcome> {
  return await _readChunks([typeof text === "string" ? _bytes(text) : text], overrides);
}

async function _rows(text: string | Uint8Array, overrides: Partial<CsvOptions> = {}) {
  const { records, fault } = await _read(text, overrides);
  expect(fault).toBeNull();
  return records.map((record) => (record.status === "row" ? record.row : record.detail));
}

function _bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function* _cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

describe("a file is refused as a whole", () => {
  test.each([
    "",
    "\uFEFF",
    "\n",
    "\n\na,b\n1,2\n",
    "  ,b\n",
    "1,b\n",
    " 40.5 ,b\n",
    "1e3\n",
    "a,,c\n",
    ",,\n",
    "a,b,a\n",
    "a,b,a,,\n",
    "a,__proto__\n",
    "a,b\0\n",
    'a,b"c\n',
    "\uFEFF\uFEFFa,b\n",
    '"a" ,b\n',
  ])("without a valid header: %j", async (text) => {
    expect(await _read(text)).toMatchObject({ records: [], fault: { line: 1 } });
  });

  test("when a quote is never closed", async () => {
    expect(await _read('a,b\n1,2\n3,"4\n5,6\n')).toMatchObject({
      records: [{ status: "row", line: 2, row: { a: "1", b: "2" } }],
      fault: { line: 3 },
    });
  });

  test("when a row is too long, without reading further", async () => {
    for (const [start, filler] of [
      ['a,b\n1,2\n3,"', "4\n"],
      ["a,b\n1,2\n", "3"],
      ["a,b\n1,2\n", ","],
      ["a,b\n1,2\n3,", '"'],
    ] as const) {
      let pulls = 0;
      const endless = (function* () {
        yield _bytes(start);
        for (; pulls < 1000; pulls += 1) yield _bytes(filler.repeat(60));
      })();
      const { fault } = await _readChunks(endless, { maxRowBytes: 100 });
      expect(fault).toMatchObject({ line: 3 });
      expect(pulls).toBeLessThan(4);
    }
  });

  test("when its bytes are invalid in its charset", async () => {
    const rowsBefore = [{ status: "row", line: 2, row: { a: "1", b: "2" } }];
    const start = _bytes("a,b\n1,2\n3,");
    const broken = Uint8Array.of(...start, 0xe2, 0x28, 0x0a);
    expect(await _read(broken)).toMatchObject({
      records: rowsBefore,
      fault: { line: 3 },
    });
    expect(await _readChunks(_cut(broken, [start.length + 1]))).toMatchObject({
      records: rowsBefore,
      fault: { line: 3 },
    });
    expect(await _read(Uint8Array.of(...start, 0xe2, 0x82))).toMatchObject({
      records: rowsBefore,
      fault: { line: 3 },
    });
    expect(await _read(Uint8Array.of(...start, 0x81), { charset: "shift_jis" })).toMatchObject({
      fault: { line: 3 },
    });
  });

  test("when its charset is unknown", async () => {
    expect(await _read("a\n1\n", { charset: "klingon" })).toMatchObject({
      records: [],
      fault: { line: 1 },
    });
  });
});

describe("an invalid row is reported with its line, and reading continues", () => {
  test.each([
    ["too few fields", "3"],
    ["too many fields", "3,4,5"],
    ["a delimiter at its end", "3,4,"],
    ["a quote within a field", '3,5" pipe'],
    ["a quote at the end of a field", '3,5"'],
    ["text after a quoted field", '"3"x,4'],
    ["a blank after a quoted field", '"3" ,4'],
    ["a blank before a quoted field", '3, "4"'],
    ["a quote that is not doubled", '3,"say "hi" now"'],
    ["a quoted field after a quote", '""3",4'],
    ["a byte order mark", "\uFEFF3,4"],
    ["a NUL character", "3,4\0"],
    ["a NUL character in quotes", '3,"\0"'],
    ["a NUL character after a quote", '"3"\0,4'],
  ])("%s", async (_, row) => {
    expect(await _read(`a,b\n1,"2\n"\n${row}\n5,6\n`)).toEqual({
      records: [
        { status: "row", line: 2, row: { a: "1", b: "2\n" } },
        { status: "bad", line: 4, detail: expect.any(String) },
        { status: "row", line: 5, row: { a: "5", b: "6" } },
      ],
      fault: null,
    });
  });
});

describe("parsed values", () => {
  test("are verbatim: not trimmed, converted or left out", async () => {
    expect(await _rows('a ,b,c\n 1 ,007,\n"",null,""""\n')).toEqual([
      { "a ": " 1 ", b: "007", c: "" },
      { "a ": "", b: "null", c: '"' },
    ]);
    expect(await _rows('a,b\n=1+1,#c\n"\uFEFF",\uFFFD\n')).toEqual([
      { a: "=1+1", b: "#c" },
      { a: "\uFEFF", b: "\uFFFD" },
    ]);
  });

  test("end before a Ctrl-Z at the end of the file", async () => {
    for (const end of ["\x1A", "\r\n\x1A", "\x1A\x1A"]) {
      expect(await _rows(`a,b\n1\x1A,2\n3,4${end}`)).toEqual([
        { a: "1\x1A", b: "2" },
        { a: "3", b: "4" },
      ]);
    }
  });

  test("have the line where their row begins, for every kind of line break", async () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      const text = ["a,b", "1,2", "", `"x${end}${end}y",3`, "4,5", "", "6", ""].join(end);
      const { records } = await _read(text);
      expect(records.map(({ line }) => line)).toEqual([2, 4, 7, 9]);
    }
    const { records } = await _read('a\r\n1\n2\r3\r\n"\r\n\n\r"\n4');
    expect(records.map(({ line }) => line)).toEqual([2, 3, 4, 5, 9]);
  });

  test("omit blank lines, but not a quoted empty value", async () => {
    expect(await _rows('a\n\n1\n\n""\n""')).toEqual([{ a: "1" }, { a: "" }, { a: "" }]);
  });

  test("omit lines of delimiters alone, but not those of spaces or quotes", async () => {
    const rows = await _rows('a,b\n,\n1,2\n , \n"",""\n,,\n,');
    expect(rows).toEqual([
      { a: "1", b: "2" },
      { a: " ", b: " " },
      { a: "", b: "" },
    ]);
    expect(await _rows(";\n1;2\n;\n", { delimiter: ";", hasHeader: false })).toEqual([
      { column1: "1", column2: "2" },
    ]);
    expect(await _rows("a\n \n\n")).toEqual([{ a: " " }]);
  });

  test("leave out the last columns without a name, unless one has a value", async () => {
    expect(await _rows("a,b,, \n1,2,,\n3,4,,5\n6,7\n")).toEqual([
      { a: "1", b: "2" },
      "Column 4 has a value, but no name.",
      "The row has 2 fields, the header 4.",
    ]);
    const options = { hasHeader: false, columns: ["a", ""] };
    expect(await _rows("1,\n2,3\n", options)).toEqual([
      { a: "1" },
      "Column 2 has a value, but no name.",
    ]);
  });

  test("may have numbers as column names, if the header is certain", async () => {
    const rows = [{ "2025": "1", "2026": "2" }];
    expect(await _rows("2025,2026\n1,2\n", { isHeaderCertain: true })).toEqual(rows);
    expect(await _rows("2025,2026\n1,2\n", { columns: ["2025", "2026"] })).toEqual(rows);
  });

  test("may be empty except for a header", async () => {
    expect(await _rows("a,b")).toEqual([]);
  });

  test("may have columns named like members of Object.prototype", async () => {
    const [row] = await _rows("constructor,toString,hasOwnProperty\n1,2,3\n");
    expect(JSON.stringify(row)).toBe('{"constructor":"1","toString":"2","hasOwnProperty":"3"}');
  });

  test("may have a row of exactly the maximum size, however the bytes are chunked", async () => {
    const bytes = _bytes(`a,b\r\n1,"${"x".repeat(96)}"\r\n${"y".repeat(98)},2\r\n3,4\r\n`);
    for (let size = 1; size <= bytes.length; size += 1) {
      const sizes = Array.from({ length: Math.ceil(bytes.length / size) }, () => size);
      const { records, fault } = await _readChunks(_cut(bytes, sizes), { maxRowBytes: 100 });
      expect([records.length, fault]).toEqual([3, null]);
    }
  });

  test("are decoded from any known charset", async () => {
    const latin = Uint8Array.of(0x61, 0x0a, 0xe9, 0x80, 0x0a);
    expect(await _rows(latin, { charset: "iso-8859-1" })).toEqual([{ a: "é€" }]);
    const japanese = Uint8Array.of(0x61, 0x0a, 0x93, 0xfa, 0x96, 0x7b, 0x0a);
    expect(await _rows(japanese, { charset: "Shift_JIS" })).toEqual([{ a: "日本" }]);
    const wide = new Uint8Array(
      new Uint16Array(Array.from("\uFEFFa\n日\n", (character) => character.charCodeAt(0))).buffer,
    );
    expect(await _rows(wide, { charset: "utf-16le" })).toEqual([{ a: "日" }]);
  });

  test("are decoded by a byte order mark before any label, however the bytes are chunked", async () => {
    const utf16 = (text: string) => Uint8Array.from(Buffer.from(text, "utf16le"));
    const swapped = (bytes: Uint8Array) => new Uint8Array(Buffer.from(bytes).swap16());
    const marked = [_bytes("\uFEFFa,b\n1,é\n"), utf16("\uFEFFa,b\n1,é\n")];
    for (const bytes of [...marked, swapped(utf16("\uFEFFa,b\n1,é\n"))]) {
      for (const charset of [undefined, "utf-8", "utf-16", "utf-16le", "utf-16be", "latin1"]) {
        for (const sizes of [[], [1, 1, 1], [3]]) {
          const { records } = await _readChunks(_cut(bytes, sizes), { charset });
          expect(records).toEqual([{ status: "row", line: 2, row: { a: "1", b: "é" } }]);
        }
      }
    }
    const unmarked = swapped(utf16("a,b\n1,é\n"));
    expect(await _rows(unmarked, { charset: "UTF-16" })).toEqual([{ a: "1", b: "é" }]);
    expect(await _rows("a\n1")).toEqual([{ a: "1" }]);
    expect(await _read("a")).toEqual({ records: [], fault: null });
  });

  test("have at most 2,000 columns", async () => {
    const names = (count: number) => Array.from({ length: count }, (_, n) => `c${n}`).join();
    const overrides = { maxRowBytes: 1_000_000 };
    expect(await _rows(`${names(2000)}\n1${",".repeat(1999)}\n`, overrides)).toHaveLength(1);
    const { fault } = await _read(`${names(100_000)}\n${",".repeat(99_999)}\n`, overrides);
    expect(fault).toMatchObject({ line: 1 });
    const wide = await _rows(`a,b\n1${",".repeat(100_000)}\n1,2\n`, overrides);
    expect(wide).toEqual([expect.any(String), { a: "1", b: "2" }]);
  });
});

describe("the body", () => {
  test("is parsed in slices that yield to the event loop, whatever the size of its chunks", async () => {
    const rows = `1${",".repeat(99)}\n`.repeat(10_000);
    const text = `${Array.from({ length: 100 }, (_, n) => `c${n}`).join()}\n${rows}`;
    const turns = await _countTurns(async () => {
      expect(await _rows(text)).toHaveLength(10_000);
    });
    expect(turns).toBeGreaterThan(text.length / 10_000);
  });

  function* _endless(): Generator<Uint8Array> {
    yield _bytes("a,b\n");
    for (;;) yield _bytes("1,2\n".repeat(1000));
  }

  function _watched(chunks: Iterator<Uint8Array>) {
    const seen = { pulls: 0, isCancelled: false };
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          seen.pulls += 1;
          const next = chunks.next();
          if (!next.done) controller.enqueue(next.value);
        },
        cancel() {
          seen.isCancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    return { body, seen };
  }

  test("is read only on demand, and cancelled when the consumer stops", async () => {
    const { body, seen } = _watched(_endless());
    const reading = readCsv(body, options);
    expect(seen.pulls).toBe(0);
    await reading.next();
    await reading.next();
    expect(seen.pulls).toBe(2);
    await reading.next();
    expect(seen.pulls).toBe(3);
    await reading.return();
    expect(seen).toEqual({ pulls: 3, isCancelled: true });
  });

  test("is cancelled after an error", async () => {
    const { body, seen } = _watched([_bytes("1,2\n".repeat(10))].values());
    expect(await readCsv(body, options).next().catch(String)).toStartWith("Error: line 1: ");
    expect(seen).toEqual({ pulls: 1, isCancelled: true });
  });

  test("passes its own error on, after the rows before it", async () => {
    const chunks = (function* () {
      yield _bytes("a,b\n1,2\n3,4\n5,6\n");
      throw new TypeError("the client is gone");
    })();
    const reading = readCsv(_stream(chunks), options);
    expect((await reading.next()).value).toHaveLength(3);
    expect(await reading.next().catch(String)).toBe("TypeError: the client is gone");
  });
});

describe("property: any table of strings", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({
      unit: fc.constantFrom('"', ",", ";", "\t", "\r", "\n", " ", "a", "é", "日", "😀"),
    }),
  );
  // A mark at the beginning of a row, and a Ctrl-Z at the end of the file, belong to no value.
  const value = text.map((string) =>
    ["\0", "\uFEFF", "\x1A"].reduce((rest, character) => rest.replaceAll(character, ""), string),
  );
  const name = value.filter(
    (string) =>
      string.trim() !== "" &&
      string !== "__proto__" &&
      !string.startsWith("\uFEFF") &&
      Number.isNaN(Number(string)),
  );
  const table = fc
    .uniqueArray(name, { minLength: 1, maxLength: 5 })
    .chain((names) =>
      fc.tuple(
        fc.constant(names),
        fc.array(fc.array(value, { minLength: names.length, maxLength: names.length })),
      ),
    );
  const style = fc.record({
    delimiter: fc.constantFrom(",", ";", "\t"),
    lineBreak: fc.constantFrom("\n", "\r\n", "\r"),
    isQuotedAlways: fc.boolean(),
    hasBom: fc.boolean(),
    endsWithBreak: fc.boolean(),
    cuts: fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 200 }),
  } as const);

  test("that is well-formed is read back, however the bytes are chunked", async () => {
    await fc.assert(
      fc.asyncProperty(table, style, async ([names, rows], written) => {
        const { delimiter, lineBreak, cuts } = written;
        const cell = (string: string, isEmpty: boolean) =>
          written.isQuotedAlways || /[",;\t\r\n]/.test(string) || isEmpty
            ? `"${string.replaceAll('"', '""')}"`
            : string;
        const lines = [names, ...rows].map((cells) =>
          cells.map((string) => cell(string, cells.join("") === "")).join(delimiter),
        );
        const file = lines.join(lineBreak) + (written.endsWithBreak ? lineBreak : "");
        const bytes = _bytes((written.hasBom ? "\uFEFF" : "") + file);
        const outcome = await _readChunks(_cut(bytes, cuts), { delimiter });
        let line = 1;
        const expected = rows.map((cells, index): Parsed => {
          line += `${lines[index]}`.split(/\r\n?|\n/).length;
          return {
            status: "row",
            line,
            row: Object.fromEntries(names.map((n, i) => [n, `${cells[i]}`])),
          };
        });
        expect(outcome).toEqual({ records: expected, fault: null });
      }),
      { numRuns: 500 },
    );
  });

  test("that is malformed is read the same, however the bytes are chunked", async () => {
    const soup = fc.string({
      unit: fc.constantFrom('"', '"', ",", ",", "\r", "\n", "\n", "a", "1", "é", "\0"),
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(soup, fc.array(fc.integer({ min: 1, max: 9 })), async (string, cuts) => {
        const bytes = _bytes(`a,b\n${string}`);
        expect(await _readChunks(_cut(bytes, cuts), { maxRowBytes: 20 })).toEqual(
          await _read(bytes, { maxRowBytes: 20 }),
        );
      }),
      { numRuns: 500 },
    );
  });

  test("has the rows that csv-parse reads, also where it is malformed", async () => {
    const soup = fc.string({
      unit: fc.constantFrom('"', '"', '"', ",", ",", ";", "\r", "\n", "\n", " ", "a", "é"),
      maxLength: 60,
    });
    const cuts = fc.array(fc.integer({ min: 1, max: 9 }));
    await fc.assert(
      fc.asyncProperty(soup, fc.constantFrom(",", ";"), cuts, async (string, delimiter, sizes) => {
        const file = `a${delimiter}b\n${string}`;
        const read = await _readChunks(_cut(_bytes(file), sizes), { delimiter });
        const { rows, isComplete } = _parseWithLibrary(file, delimiter);
        expect(read.fault === null).toBe(isComplete);
        expect(read.records).toHaveLength(rows.length);
        for (const [index, record] of read.records.entries()) {
          if (record.status === "row") expect(Object.values(record.row)).toEqual(rows[index]!);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** Reads rows with csv-parse, without the header and blank lines; `isComplete` is false if a quote is not closed. */
function _parseWithLibrary(file: string, delimiter: string) {
  const rows: string[][] = [];
  try {
    parse(file, {
      delimiter,
      record_delimiter: ["\r\n", "\n", "\r"],
      raw: true,
      relax_column_count: true,
      relax_quotes: true,
      on_record(row) {
        const { record, raw } = row as unknown as { record: string[]; raw: string };
        if (record.some((value) => value !== "") || raw.includes('"')) rows.push(record);
        return null;
      },
    });
    return { rows: rows.slice(1), isComplete: true };
  } catch (error) {
    expect(error).toMatchObject({ code: "CSV_QUOTE_NOT_CLOSED" });
    return { rows: rows.slice(1), isComplete: false };
  }
}
