import { afterEach, describe, expect, test } from "bun:test";
import { _expectProblem, _json, _openProducer } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(() => stores.clear());

/** Sends a file as the only part of an import. */
async function _import(definition: object, csv: string) {
  const { body } = await producer.request("/v1/imports", _json({ type: "echo", ...definition }));
  const sent = await producer.request(`/v1/imports/${body.id}/parts/1`, {
    method: "PUT",
    headers: { "Content-Type": "text/csv" },
    body: csv,
  });
  return { id: body.id as string, sent };
}

const _jobs = (id: string) => stores.sql<
  { data: unknown; key: string | null; priority: number | null }[]
>`
  select data, key, (options->>'priority')::int as priority from jobs where import_id = ${id} order by id`;
const _errors = async (id: string, format = "ndjson") =>
  (await fetch(new URL(`/v1/imports/${id}/errors?format=${format}`, producer.url))).text();

describe("a mapping", () => {
  test("takes fields from columns, converts them, and adds constants", async () => {
    const mapping = {
      message: "text",
      sleepMs: { column: "delay", type: "number" },
      failures: { value: 2 },
    };
    const { id } = await _import({ mapping }, "delay,unused,text\n 07 ,x,a\n,y,b\n");
    expect((await _jobs(id)).map(({ data }) => data)).toEqual([
      { message: "a", sleepMs: 7, failures: 2 },
      { message: "b", failures: 2 },
    ]);
  });

  test("reads dates and booleans, and empty cells as null or text", async () => {
    const mapping = {
      day: { column: "d", type: "date", format: "dd.MM.yyyy" },
      at: { column: "t", type: "date", format: "yyyy/MM/dd HH:mm" },
      is: { column: "b", type: "boolean" },
      none: { column: "n", empty: "null" },
      text: { column: "n", empty: "text" },
    };
    const csv = "d,t,b,n\n1.2.2026,2026/03/04 05:06,Yes,\n31.02.2026,2026/03/04 05:06,no,x\n";
    const { id, sent } = await _import({ type: "row.import", mapping }, csv);
    expect(sent.body.counts).toMatchObject({ read: 2, accepted: 0, rejected: 2 });
    const [first, second] = (await _errors(id))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    // The values of `row.import` are text.
    expect(first.field).toBe("/data/values/is");
    expect(second.reason).toBe('Column "d": not a date: "31.02.2026".');
  });

  test("names a column that the file must have", async () => {
    const { sent } = await _import({ mapping: { message: "nope" } }, "text\na\n");
    expect(_expectProblem(sent, "invalid-csv").detail).toContain('no column "nope"');
  });
});

test("a key is a column or a template, and makes duplicates within the file", async () => {
  const csv = "message,id\na,1\nb,2\nc,1\nd,\n";
  const mapping = { message: "message" };
  const column = await _import({ mapping, key: "id" }, csv);
  expect(column.sent.body.counts).toMatchObject({ read: 4, accepted: 3, duplicate: 1 });
  const template = await _import({ mapping, key: "{message}#{id}", options: { priority: 7 } }, csv);
  expect((await _jobs(template.id)).map(({ key, priority }) => [key, priority])).toEqual([
    ["a#1", 7],
    ["b#2", 7],
    ["c#1", 7],
    ["d#", 7],
  ]);
  // With a window, a finished job makes duplicates too.
  await stores.sql`update jobs set status = 'completed', settled_at = now()`;
  const options = { keyPolicy: { type: "once", windowMs: 60_000 } };
  const windowed = { mapping, key: "{id}!", options };
  await _import(windowed, csv);
  await stores.sql`update jobs set status = 'completed', settled_at = now()`;
  expect((await _import(windowed, csv)).sent.body.counts).toMatchObject({
    accepted: 1,
    duplicate: 3,
  });
});

test("columns that are no fields reject rows, or are ignored", async () => {
  const csv = "message,colour\na,red\n";
  expect((await _import({}, csv)).sent.body.counts.rejected).toBe(1);
  const { id } = await _import({ unknownColumns: "ignore" }, csv);
  expect((await _jobs(id)).map(({ data }) => data)).toEqual([{ message: "a" }]);
  const single = await producer.csv(csv, "?type=echo&unknownColumns=ignore&key=colour");
  expect(await _jobs(single.body.id)).toMatchObject([{ data: { message: "a" }, key: "red" }]);
});

test("a dry run validates all rows and enqueues nothing", async () => {
  await producer.post({ type: "echo", data: { message: "x" }, key: "1" });
  const csv = "message,id\na,1\nb,2\nc,2\n,3\n";
  const single = await producer.csv(csv, "?type=echo&dryRun=true&unknownColumns=ignore&key=id");
  const { id, sent } = await _import(
    { dryRun: true, key: "id", unknownColumns: "ignore", maxErrors: 5 },
    csv,
  );
  expect(single.body).toMatchObject({
    status: "done",
    dryRun: true,
    counts: { read: 4, accepted: 2, duplicate: 2, rejected: 0 },
  });
  expect(sent.body.counts).toEqual({ read: 4, accepted: 2, duplicate: 2, rejected: 0 });
  expect(await producer.client.completeImport(id, 1)).toMatchObject({ status: "done" });
  expect(await stores.count()).toMatchObject({ jobs: 1 });
});

test("an import fails when more rows are rejected than it allows", async () => {
  const csv = `message\n${"a\n".repeat(600)}${"a,b\n".repeat(3)}${"a\n".repeat(3000)}`;
  const refused = await producer.csv(csv, "?type=echo&maxErrors=2");
  expect(_expectProblem(refused, "too-many-errors").detail).toContain("allows 2");
  const { items } = await producer.client.listImports();
  expect(items[0]).toMatchObject({ status: "failed", counts: { rejected: 3 } });
  expect(items[0]!.errors.at(-1)?.problem.type).toBe("urn:toril:problem:too-many-errors");
  expect((await producer.csv(csv, "?type=echo&maxErrors=3")).status).toBe(201);

  const { id, sent } = await _import({ maxErrors: 2 }, csv);
  _expectProblem(sent, "too-many-errors");
  const failed = await producer.client.getImport(id);
  expect(failed.status).toBe("failed");
  // The rows after are not read to the end of the part.
  expect(failed.counts.rejected).toBe(3);
  expect(failed.counts.accepted).toBeLessThan(3600);
});

test("the error report has the rows, their reasons and their numbers in the file", async () => {
  const { id } = (await producer.csv('a,b\n1,2\n3\n"x\ny",5,"6"\n')).body;
  expect(await _errors(id, "csv")).toBe(
    "row,part,line,type,field,reason,text\n" +
      '2,,3,invalid-csv,,"The row has 1 field, the header 2.",3\n' +
      '3,,4,invalid-csv,,"The row has 3 fields, the header 2.","""x\ny"",5,""6"""\n',
  );
  // A spreadsheet program must not run a row that begins like a formula.
  const formulas = [
    "=cmd|'/C calc'!A0,1,2",
    "+1,2,3",
    "-1,2,3",
    "@SUM(1),2,3",
    "\t=1,2,3",
    "＝1,2,3",
  ];
  const risky = (await producer.csv(`a,b\n1,2\n${formulas.join("\n")}\n`)).body;
  const texts = (await _errors(risky.id, "csv")).split("\n").slice(1, -1);
  expect(texts.map((line) => line.split('the header 2.",')[1])).toEqual(
    formulas.map((row) => `"'${row}"`),
  );
  const exact = (await _errors(risky.id)).trim().split("\n");
  expect(exact.map((line) => JSON.parse(line).text)).toEqual(formulas);
  const parted = await _import({ type: "row.import", columns: ["a"], header: "absent" }, "1\n2\n");
  const put = (part: number, body: string) =>
    producer.request(`/v1/imports/${parted.id}/parts/${part}`, {
      method: "PUT",
      headers: { "Content-Type": "text/csv" },
      body,
    });
  await put(3, "1,2\n");
  const read = async () => JSON.parse(await _errors(parted.id));
  expect(await read()).toMatchObject({ row: null, part: 3, line: 1, text: "1,2" });
  await put(2, "3\n4\n");
  expect(await read()).toMatchObject({ row: 5, part: 3, line: 1 });
  _expectProblem(
    await producer.request(`/v1/imports/${crypto.randomUUID()}/errors`),
    "import-not-found",
  );
});

test("the error report is bounded", async () => {
  const { id } = (await producer.csv(`a,b\n${"1\n".repeat(10_100)}${"x".repeat(5000)}\n`)).body;
  expect((await _errors(id)).trim().split("\n")).toHaveLength(10_000);
  const { id: other } = (await producer.csv(`a,b\n${"x".repeat(5000)}\n`)).body;
  expect(JSON.parse(await _errors(other)).text).toBe("x".repeat(2000));
});
