import { expect, test } from "bun:test";
import { createRegistry } from "@toril/contract/api/registry";
import { rowImport } from "@toril/contract/api/job-types/row-import";
import { parseEntry } from "../../jobs/parse-bulk.ts";
import { addEntries, createChunk, type FileEntry } from "../chunks/import-chunk.ts";
import { readCsvEntries, readRowEntries } from "./read-file.ts";

const importId = "019c2f1e-7b1a-7c3d-8a4e-5f6071829304";
const jobTypes = createRegistry([rowImport]);
const context = {
  jobTypes,
  origin: { tenant: "default", importId },
  secretKeys: undefined,
};
const options = { jobType: rowImport, importId, delimiter: "," };

/** Reads entries until the file ends or is refused. */
async function _read(entries: AsyncIterable<readonly FileEntry[]>): Promise<FileEntry[]> {
  const read: FileEntry[] = [];
  try {
    for await (const some of entries) read.push(...some);
  } catch {
    // The rest of the file cannot be read.
  }
  return read;
}

const _utf16 = (text: string) => new Uint8Array(Buffer.from(text, "utf16le"));
const long = `${"x".repeat(8185)}😀,"a\n""b""",ü\n`;

test.each([
  ["UTF-8", new TextEncoder().encode(`a,b,constructor\n1,,\0\n${long}2,3,4\n5\n`), undefined, 2],
  ["UTF-16", _utf16(`a,b,c\n1,😀,3\n${long}4,\0,5\n6,7,\uD800\n8,9,10\n`), "utf-16le", 2],
  ["windows-1252", new Uint8Array([...Buffer.from("a,b\n"), 0xe4, 0x2c, 0x81, 0x0a]), "latin1", 1],
])(
  "rows in %s that are not validated are valid and storable, and become the same jobs",
  async (_, bytes, charset, count) => {
    const entries = await _read(readCsvEntries([bytes], { ...options, charset }));
    const valid = entries.filter((entry) => entry.status === "valid");
    expect(entries.filter((entry) => entry.status === "ok")).toEqual([]);
    expect(valid).toHaveLength(count);
    const chunk = createChunk(true);
    addEntries(chunk, { entries: valid, firstNumber: 1 }, context, () => importId);
    const { origin } = context;
    const validated = valid.map(({ request }) =>
      parseEntry(request, { ...context, origin: { ...origin, id: importId } }),
    );
    expect(validated).toEqual(chunk.jobs.map((job) => ({ status: "ok", job })));
  },
);

test("rows whose texts may not be storable, and rows of other types, are validated", async () => {
  const row = { a: "\uD800" };
  const records = [{ status: "row" as const, line: 2, row, raw: "" }];
  const rows = (async function* () {
    yield records;
  })();
  const entries = await _read(readRowEntries(rows, options, "invalid-xlsx"));
  const chunk = createChunk(true);
  addEntries(chunk, { entries, firstNumber: 1 }, context, () => importId);
  expect(chunk).toMatchObject({ jobs: [], rejected: [{ number: 1, line: 2 }] });

  const strict = { ...rowImport, data: rowImport.data.extend({}) };
  const other = await _read(
    readCsvEntries([Buffer.from("a\n1\n")], { ...options, jobType: strict }),
  );
  expect(other).toMatchObject([{ status: "ok" }]);
});
