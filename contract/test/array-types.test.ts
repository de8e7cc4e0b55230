import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import postgres from "postgres";
import { arrayTypes } from "../src/engine/postgres/array-types.ts";
import { createTestLedger, type TestLedger } from "./_stores.ts";

let store: TestLedger;
let sql: postgres.Sql;
beforeAll(async () => {
  store = await createTestLedger();
  sql = postgres(store.url, { max: 1, fetch_types: false, types: arrayTypes });
});
afterAll(async () => {
  await sql.end();
  await store[Symbol.asyncDispose]();
});

const _text = fc
  .string({ unit: "binary", maxLength: 20 })
  .filter((text) => !text.includes("\0") && text.isWellFormed());

test("texts arrive as they were sent, as they are and as JSON", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(_text), { maxLength: 10 }), async (texts) => {
      const json = texts.map((text) => (text === null ? null : JSON.stringify({ [text]: text })));
      const rows = await sql<{ text: string | null; json: unknown }[]>`
        select text, json from unnest(${texts}::text[], ${json}::text[]::jsonb[])
          with ordinality as t (text, json, n) order by n`;
      expect(rows.map((row) => row.text)).toEqual(texts);
      expect(rows.map((row) => row.json)).toEqual(
        texts.map((text) => (text === null ? null : { [text]: text })),
      );
    }),
    { numRuns: 50, examples: [[["", "null", "NULL", "{}", '"', "\\", ",", " "]]] },
  );
});

test("numbers, ids and times arrive, and so does none of them", async () => {
  const id = Bun.randomUUIDv7();
  const [row] = await sql`
    select ${[1, null]}::int[] = '{1,null}' as ints, ${[2]}::smallint[] = '{2}' as smallints,
           ${[1.5, null]}::float8[] = '{1.5,null}' as floats, ${[id, null]}::uuid[] = array[${id}::uuid, null] as uuids, ${[]}::uuid[] = '{}' as none,
           ${["2026-11-23T09:30:00.000Z", null]}::timestamptz[] = '{2026-11-23 09:30:00+00,null}' as times`;

  expect(row).toEqual({
    ints: true,
    smallints: true,
    floats: true,
    uuids: true,
    none: true,
    times: true,
  });
});
