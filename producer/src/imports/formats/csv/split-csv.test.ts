import { expect, test } from "bun:test";
import fc from "fast-check";
import { type FilePart, splitCsv, type SplitCsvOptions, splitNdjson } from "@toril/client";
import { CsvError, type CsvOptions, type CsvRecord, readCsv } from "./read-csv.ts";

type Read = Omit<Partial<CsvOptions>, "delimiter"> & { delimiter: string };

/** Reads rows without their lines, which begin anew in each part. */
async function read(bytes: Uint8Array, options: Read): Promise<unknown[]> {
  const rows: CsvRecord[] = [];
  try {
    for await (const records of readCsv([bytes], { maxRowBytes: 1000, ...options })) {
      rows.push(...records);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return [...rows.map(withoutLine), { error: error.detail }];
  }
  return rows.map(withoutLine);
}

function withoutLine(record: CsvRecord) {
  return { ...record, line: 0 };
}

function split(bytes: Uint8Array, chunkBytes: number, options: SplitCsvOptions) {
  return Array.fromAsync(splitCsv(toChunks(bytes, chunkBytes), options));
}

function toChunks(bytes: Uint8Array, chunkBytes: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, index) =>
    bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  );
}

/** Checks that the parts are the file. */
function expectWhole(parts: readonly FilePart[], bytes: Uint8Array): void {
  expect(Buffer.concat(parts.map((part) => part.bytes))).toEqual(Buffer.from(bytes));
  let end = 0;
  for (const [index, part] of parts.entries()) {
    expect([part.number, part.offset]).toEqual([index + 1, end]);
    end += part.bytes.length;
  }
}

const text = fc.array(
  fc.constantFrom(
    '"',
    '""',
    "\n",
    "\r",
    "\r\n",
    ",",
    "|",
    ";",
    "a",
    "1",
    "é",
    "\u{1F402}",
    " ",
    "x,y\n",
  ),
  { maxLength: 60 },
);
const encodings = {
  "utf-8": (csv: string) => Buffer.from(csv),
  "utf-8 with a mark": (csv: string) => Buffer.from(`\uFEFF${csv}`),
  "utf-16le": (csv: string) => Buffer.from(csv, "utf16le"),
  "utf-16be with a mark": (csv: string) => Buffer.from(`\uFEFF${csv}`, "utf16le").swap16(),
  "windows-1252": (csv: string) => Buffer.from(csv.replaceAll("\u{1F402}", "é"), "latin1"),
};

test("the rows of all parts are the rows of the file, for any CSV, encoding, part size and chunks", async () => {
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.constantFrom(",", "|", ";"),
      fc.constantFrom(...(Object.keys(encodings) as (keyof typeof encodings)[])),
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      async (tokens, delimiter, encoding, partBytes, chunkBytes) => {
        const bytes = encodings[encoding](`h${delimiter}k\n${tokens.join("")}`);
        const label = encoding.split(" ")[0]!;
        const parts = await split(bytes, chunkBytes, { partBytes, delimiter, encoding: label });
        expectWhole(parts, bytes);
        const columns = ["h", "k"];
        const rows: unknown[] = [];
        for (const { number, bytes: part } of parts) {
          const isFirst = number === 1;
          const options = {
            delimiter,
            charset:
              encoding.includes("mark") && !isFirst
                ? label === "utf-8"
                  ? label
                  : "utf-16be"
                : label,
          };
          rows.push(
            ...(await read(part, {
              ...options,
              hasHeader: isFirst,
              columns,
              isContinuation: !isFirst,
            })),
          );
        }
        expect(rows).toEqual(await read(bytes, { delimiter, charset: label, columns }));
      },
    ),
    { numRuns: 400 },
  );
});

test("the parts of NDJSON end with lines, and a part is larger than its limit only for one line", async () => {
  const line = fc.string({ maxLength: 12 }).map((value) => `${JSON.stringify(value)}\n`);
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 30 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 20 }),
      async (lines, partBytes, chunkBytes) => {
        const bytes = Buffer.from(lines.join("").trimEnd());
        const parts = await Array.fromAsync(
          splitNdjson(toChunks(bytes, chunkBytes), { partBytes }),
        );
        expectWhole(parts, bytes);
        for (const { number, bytes: part } of parts) {
          if (number < parts.length) expect(part.at(-1)).toBe(0x0a);
          const isOneLine = [-1, part.length - 1].includes(part.indexOf(0x0a));
          expect(part.length <= partBytes || isOneLine).toBe(true);
        }
      },
    ),
  );
});

test("a part ends with the last row that fits, and a larger row is a part of its own", async () => {
  const rows = ["h\n", "1\n", `${"x".repeat(20)}\n`, "2\r\n", "3\r", '"4\n5"\n', "6"];
  const parts = await split(Buffer.from(rows.join("")), 7, { partBytes: 8 });
  expect(parts.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual([
    "h\n1\n",
    `${"x".repeat(20)}\n`,
    "2\r\n3\r",
    '"4\n5"\n6',
  ]);
});

test("a quote that is not closed fails instead of filling the memory", async () => {
  const endless = (function* () {
    yield Buffer.from('a\n"');
    for (;;) yield new Uint8Array(1000).fill(0x61);
  })();
  const parts = Array.fromAsync(splitCsv(endless, { partBytes: 5000, maxRowBytes: 10_000 }));
  // oxlint-disable-next-line typescript/await-thenable -- Bun's type of `rejects` is not a promise
  await expect(parts).rejects.toThrow("longer than 10000 bytes");
});
