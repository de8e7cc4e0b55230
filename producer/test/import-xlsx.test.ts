import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "bun:test";
import { xlsxMediaType } from "@toril/client";
import { _expectProblem, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(() => stores.clear());

/**
 * Written by openpyxl: two sheets with dates, times, numbers, a formula without value, a blank row and formatted empty
 * cells.
 */
const workbook = readFileSync(new URL("./_workbook.xlsx", import.meta.url));

function _send(query: string, { body = workbook, ...headers }: Record<string, unknown> = {}) {
  return producer.request(`/v1/imports?${query}`, {
    method: "POST",
    headers: { "Content-Type": xlsxMediaType, ...(headers as Record<string, string>) },
    body: body as Uint8Array<ArrayBuffer>,
  });
}

const _data = async () =>
  (await stores.sql<{ data: Record<string, unknown> }[]>`select data from jobs order by id`).map(
    ({ data }) => data,
  );

test("the first sheet is read as text, with dates as ISO 8601", async () => {
  const headers = { "Idempotency-Key": "workbook" };
  const { body } = await _send("type=row.import", headers);
  expect(body).toMatchObject({ status: "running", counts: { read: 3, accepted: 2 } });
  expect(body.errors).toMatchObject([
    { line: 5, problem: { detail: expect.stringContaining("The formula in column 6") } },
  ]);
  expect((await _data()).map((data) => data["values"])).toEqual([
    {
      Article: "A-1",
      Qty: "3",
      "Ordered on": "2026-11-29",
      "Shipped at": "2026-11-30T18:30:05Z",
      Gift: "true",
      Price: "0.3",
      Note: "café 🐂",
    },
    {
      Article: "A-2",
      Qty: "1234567",
      "Ordered on": "1900-01-15",
      "Shipped at": "06:07:08",
      Gift: "false",
      Price: "-1.5e-7",
      Note: "",
    },
  ]);
  expect((await _send("type=row.import", headers)).body.id).toBe(body.id);
  expect(await stores.count()).toMatchObject({ jobs: 2 });
});

test("a sheet is chosen by its name, and its cells are mapped", async () => {
  const mapping = JSON.stringify({
    message: "Article",
    sleepMs: { column: "Qty", type: "number" },
    failures: { value: 1 },
  });
  const query = new URLSearchParams({ type: "echo", mapping, sheet: "Orders", key: "{Article}!" });
  const { body } = await _send(String(query));
  expect(body.counts).toMatchObject({ read: 3, accepted: 1, rejected: 2 });
  expect(await _data()).toEqual([{ message: "A-1", sleepMs: 3, failures: 1 }]);
  const report = await fetch(new URL(`/v1/imports/${body.id}/errors`, producer.url));
  const [first = ""] = (await report.text()).split("\n");
  expect(JSON.parse(first)).toMatchObject({
    row: 2,
    line: 4,
    field: "/data/sleepMs",
    text: "A-2,1234567,1900-01-15,06:07:08,false,-1.5e-7",
  });
  const second = await producer.client.createImport(new Blob([workbook]), {
    type: "row.import",
    sheet: "Second sheet",
    header: "absent",
    contentType: xlsxMediaType,
  });
  expect(second.counts).toMatchObject({ read: 2, accepted: 2 });
  expect((await _data()).at(-1)?.["values"]).toEqual({ column1: "1", column2: "<&>\n_x" });
});

test("what is no workbook, or has no such sheet, is refused", async () => {
  const unknown = _expectProblem(await _send("type=row.import&sheet=Third"), "invalid-xlsx");
  expect(unknown.detail).toContain('no sheet "Third", but "Orders", "Second sheet".');
  const csv = await _send("type=row.import", { body: Buffer.from("a,b\n1,2\n") });
  expect(_expectProblem(csv, "invalid-xlsx").detail).toContain("no .xlsx workbook");
  const cut = await _send("type=row.import", { body: workbook.subarray(0, 3000) });
  _expectProblem(cut, "invalid-xlsx");
  _expectProblem(
    await _send("type=row.import", { "Content-Encoding": "gzip" }),
    "unsupported-media-type",
  );
  const sheet = await producer.csv("a\n1\n", "?type=row.import&sheet=Orders");
  expect(_expectProblem(sheet, "invalid-parameter").errors?.[0]?.pointer).toBe("/sheet");
  expect(await stores.count()).toMatchObject({ jobs: 0 });
});
