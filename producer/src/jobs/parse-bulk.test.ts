import { expect, test } from "bun:test";
import fc from "fast-check";
import { _countTurns } from "../../test/_turns.ts";
import { type BulkFormat, jsonArray, ndjson, parseBulk } from "./parse-bulk.ts";
import { shippedRegistry } from "../../../contract/test/_job-types.ts";
import { ProblemError } from "../http/problem.ts";

const utf8 = new TextEncoder();
const context = {
  jobTypes: shippedRegistry,
  origin: { tenant: "default" },
  secretKeys: undefined,
  maxEntries: 10_000,
};
const echo = (message = "hello") => JSON.stringify({ type: "echo", data: { message } });

/** Returns the outcome of each entry, or the problem of the whole body. */
async function outcomes(text: string, format: BulkFormat = jsonArray): Promise<string | string[]> {
  try {
    const entries = await parseBulk(utf8.encode(text), format, context);
    return entries.map((entry) =>
      entry.status === "ok" ? "ok" : entry.problem.type.replace("urn:toril:problem:", ""),
    );
  } catch (error) {
    if (error instanceof ProblemError) return error.kind;
    throw error;
  }
}

test.each([
  ["[1,]", "invalid-json"],
  ["[,1]", "invalid-json"],
  ["[1}", "invalid-json"],
  ["[1]]", "invalid-json"],
  ["[1] 2", "invalid-json"],
  ['["]', "invalid-json"],
  ["[{]}]", "invalid-json"],
  ["[\uFEFF1]", "invalid-json"],
  [" \n[ ]\t", "empty-body"],
  ["\uFEFF[1]", ["invalid-job"]],
  ['["[,]\\"",{"a":[1,2]}]', ["invalid-job", "invalid-job"]],
  ['[{"a":1,"a":1}]', ["unstorable-json"]],
])("the array %p", async (text, expected) => {
  expect(await outcomes(text)).toEqual(expected);
});

test("an array is invalid JSON exactly if JSON.parse throws", async () => {
  const piece = fc.constantFrom(
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    '"',
    " ",
    "\\",
    '"a"',
    "1",
    "true",
    '{"a":1}',
    "[[]]",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const text = `[${pieces.join("")}]`;
      let isJson = true;
      try {
        isJson = Array.isArray(JSON.parse(text));
      } catch {
        isJson = false;
      }
      expect((await outcomes(text)) !== "invalid-json").toBe(isJson);
    }),
    { numRuns: 1000 },
  );
});

test("the scan of a body of 32 MB yields to the event loop, and ends where the nesting is absurd", async () => {
  const long = `["${"a".repeat(32_000_000)}"]`;
  const scan = async () => expect(await outcomes(long)).toEqual(["data-too-large"]);
  expect(await _countTurns(scan)).toBeGreaterThan(30);
  const deep = "[".repeat(32_000_000);
  const refuse = async () => expect(await outcomes(deep)).toBe("invalid-json");
  expect(await _countTurns(refuse)).toBeLessThan(10);
  const closed = `[${echo()},${"[".repeat(5000)}${"]".repeat(5000)}]`;
  expect(await outcomes(closed)).toEqual(["ok", "unstorable-json"]);
  expect(await outcomes(`${echo()}\n${deep}`, ndjson)).toEqual(["ok", "data-too-large"]);
});

test("the entries of a large body are parsed in slices that yield to the event loop", async () => {
  const entries = Array.from({ length: 10_000 }, (_, n) => echo(`${n}`));
  for (const [text, format] of [
    [`[${entries.join()}]`, jsonArray],
    [entries.join("\r\n\n"), ndjson],
  ] as const) {
    const turns = await _countTurns(async () =>
      expect(await outcomes(text, format)).toEqual(entries.map(() => "ok")),
    );
    expect(turns).toBeGreaterThan(30);
  }
});
