import { expect, test } from "bun:test";
import fc from "fast-check";
import { InvalidFileError } from "../import-errors.ts";
import type { ObjectRecord } from "./object-record.ts";
import { readJsonArray } from "./read-json-array.ts";
import { readNdjson } from "./read-ndjson.ts";

/** Reads a file in chunks. The last item is the fault of the file, if it has one. */
async function read(text: string | Uint8Array, chunkBytes = 1_000_000) {
  const bytes = Buffer.from(text as string);
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, index) =>
    bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  );
  const records: ObjectRecord[] = [];
  try {
    for await (const some of readJsonArray(chunks)) records.push(...some);
  } catch (error) {
    if (!(error instanceof InvalidFileError)) throw error;
    return { records, fault: `${error.line}: ${error.message}` };
  }
  return { records, fault: undefined };
}

const hard = ['{"a":"\\\\"}', '{"a":"\\"],["}', '{"\\u00e9":[{},[],"}"]}', '{"a":"é🐂\\\\\\""}'];

test("the elements of any array are read, however the bytes are chunked and spaced", async () => {
  const object = fc.oneof(
    fc.dictionary(
      fc.string().filter((name) => name !== "__proto__"),
      fc.oneof(fc.string(), fc.boolean(), fc.constant(null), fc.array(fc.string())),
    ),
    fc.constantFrom(...hard.map((text) => JSON.parse(text) as Record<string, unknown>)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(object, { maxLength: 8 }),
      fc.constantFrom(undefined, "\n\t", " "),
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom("", "\uFEFF", " \n"),
      async (objects, space, chunkBytes, head) => {
        const text = head + JSON.stringify(objects, null, space);
        const { records, fault } = await read(text, chunkBytes);
        expect(fault).toBeUndefined();
        const values = records.map((record) => record.status === "row" && record.values);
        expect(values.map((value) => JSON.stringify(value))).toEqual(
          objects.map((value) => JSON.stringify(value)),
        );
        if (space !== " ") return;
        let at = 0;
        for (const { line, raw } of records) {
          at = text.indexOf(raw, at) + raw.length;
          expect(line).toBe(text.slice(0, at - raw.length).split("\n").length);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("elements that are no objects are bad rows", async () => {
  const deep = `{"a":${"[".repeat(200)}${"]".repeat(200)}}`;
  const text = `[{"a":1}, 2,\n[3],, {"a":}, {"a":1e999}, ${deep}, {"b":2},]`;
  for (const chunkBytes of [1, 7, 1_000_000]) {
    const { records, fault } = await read(text, chunkBytes);
    expect(fault).toBeUndefined();
    expect(records.map(({ status, line }) => `${line} ${status}`)).toEqual([
      "1 row",
      "1 bad",
      "2 bad",
      "2 bad",
      "2 bad",
      "2 bad",
      "2 bad",
      "2 row",
      "2 bad",
    ]);
  }
});

test.each([
  ["", "1: The file is empty: it must be an array of objects."],
  [
    "\n {}",
    "2: The file must be an array of objects. For an object per line send application/x-ndjson.",
  ],
  ["text", "1: The file must be an array of objects."],
  ['[{"a":1},\n', "2: The file ends within the array."],
  ['[{"a":"', "1: The file ends within the array."],
  ['[{"a":1}\n] x', "2: Text follows the array."],
  ['[{"a":1}}', "1: The text is not valid JSON."],
])("%j is refused", async (text, fault) => {
  for (const chunkBytes of [1, 1000]) expect((await read(text, chunkBytes)).fault).toBe(fault);
});

test("an element has the size of a row at most, and the elements before it are read", async () => {
  const toElement = (bytes: number) => `{"a":"${"x".repeat(bytes - 8)}"}`;
  const { records, fault } = await read(`[{},\n${toElement(1_000_000)},\n${toElement(1_000_001)}]`);
  expect(records).toHaveLength(2);
  expect(fault).toBe("3: The element is longer than 1000000 bytes.");
  const endless = (function* () {
    yield Buffer.from('["');
    for (;;) yield new Uint8Array(10_000).fill(0x61);
  })();
  // oxlint-disable-next-line typescript/await-thenable -- Bun's type of `rejects` is not a promise
  await expect(Array.fromAsync(readJsonArray(endless))).rejects.toThrow(
    "longer than 1000000 bytes",
  );
});

test.each([
  ["a JSON array", () => readJsonArray([Buffer.from(`[${"1,".repeat(999)}1]`)])],
  ["NDJSON", () => readNdjson([Buffer.from("1\n".repeat(1000))])],
])("short records of %s are read 250 at a time", async (_, open) => {
  const pages: number[] = [];
  for await (const records of open()) pages.push(records.length);
  expect(pages).toEqual([250, 250, 250, 250]);
});
