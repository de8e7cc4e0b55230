import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { createClient, splitCsv } from "@toril/client";
import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import {
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
} from "./_producer.ts";

let stores: _Stores;
let one: _Producer;
let other: _Producer;

beforeAll(async () => {
  stores = await _openStores();
  [one, other] = await Promise.all([_startProducer(stores), _startProducer(stores)]);
});
afterEach(() => stores.clear());
afterAll(async () => {
  await Promise.all([one.close(), other.close()]);
  await stores.close();
});

const _define = async (definition: object = {}) => {
  const made = await one.request("/v1/imports", _json({ type: "row.import", ...definition }));
  expect(made.status, made.text).toBe(201);
  expect(made.headers.get("location")).toBe(`/v1/imports/${made.body.id}`);
  return made.body.id as string;
};
const _put = (
  id: string,
  number: number,
  body: string | Uint8Array<ArrayBuffer>,
  { producer = one, headers = {} }: { producer?: _Producer; headers?: object } = {},
) =>
  producer.request(`/v1/imports/${id}/parts/${number}`, {
    method: "PUT",
    headers: { "Content-Type": "text/csv", ...headers },
    body,
  });
const _complete = (id: string, parts: number) =>
  other.request(`/v1/imports/${id}/complete`, _json({ parts }));
const _digest = (body: string) => `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
const _rows = (id: string) =>
  stores.sql<{ id: string; row: number; values: Record<string, string> }[]>`
    select id, (data->>'row')::int as row, data->'values' as values from jobs where import_id = ${id} order by id`;

test("parts are received in any order, in parallel, by any producer", async () => {
  const id = await _define({ columns: ["n"] });
  const lines = Array.from({ length: 5000 }, (_, n) => `${n}\n`);
  const parts = await Array.fromAsync(
    splitCsv([Buffer.from(`n\n${lines.join("")}`)], { partBytes: 4000 }),
  );
  expect(parts.length).toBeGreaterThan(4);
  const sent = await Promise.all(
    parts
      .toReversed()
      .map((part, index) => (index % 2 === 0 ? one : other).client.putImportPart(id, part)),
  );
  expect(sent.every(({ status }) => status === "received")).toBe(true);
  expect(await one.client.getImport(id)).toMatchObject({
    status: "receiving",
    parts: { total: null },
  });
  const completed = await one.client.completeImport(id, parts.length);
  expect(completed).toMatchObject({
    status: "running",
    counts: { read: 5000, accepted: 5000, duplicate: 0, rejected: 0 },
    parts: { total: parts.length, received: parts.length, missing: [] },
  });
  const rows = await _rows(id);
  expect(rows.map(({ values }) => values["n"])).toEqual(lines.map((line) => line.trim()));
  expect(new Set(rows.map(({ row }) => row)).size).toBe(5000);
  const listed = await one.client.listImportParts(id, { limit: 2 });
  const read = listed.items[0]!.counts.read;
  expect(listed.items.map(({ number, firstRow }) => [number, firstRow])).toEqual([
    [1, 1],
    [2, read + 1],
  ]);
  const next = await one.client.listImportParts(id, { limit: 2, cursor: listed.next! });
  expect(next.items[0]?.number).toBe(3);
});

test("a repeated part changes nothing twice, and other content is refused", async () => {
  const id = await _define();
  const first = await _put(id, 1, "a\n1\n2\n");
  expect([first.status, first.body.counts]).toEqual([
    201,
    { read: 2, accepted: 2, duplicate: 0, rejected: 0 },
  ]);
  const again = await _put(id, 1, "a\n1\n2\n", { producer: other });
  expect([again.status, again.body]).toEqual([200, first.body]);
  _expectProblem(await _put(id, 1, "a\n1\n3\n"), "import-part-exists");
  expect(await stores.count()).toMatchObject({ jobs: 2, dispatched: 2 });
});

test("the client compresses parts, whose digest is that of the bytes sent, and sends none twice", async () => {
  const lines = Array.from({ length: 400 }, (_, n) => `${n},the same text again and again\n`);
  const file = Buffer.from(`n,text\n${lines.join("")}`);
  const id = await _define();
  const received: Headers[] = [];
  const client = createClient({
    baseUrl: one.url.href,
    fetch(request) {
      if (request.method === "PUT") received.push(request.headers);
      return fetch(request);
    },
  });
  const send = () =>
    client.sendImportParts(id, splitCsv([file], { partBytes: 4000 }), { compress: "gzip" });
  const count = await send();
  expect(await send()).toBe(count);
  expect(received).toHaveLength(count);
  const parts = await Array.fromAsync(splitCsv([file], { partBytes: 4000 }));
  const { items } = await client.listImportParts(id);
  expect(items.map(({ digest }) => digest)).toEqual(
    parts.map(({ bytes }) => _digest(Buffer.from(bytes).toString())),
  );
  for (const headers of received) {
    expect(headers.get("content-encoding")).toBe("gzip");
    expect(items.map(({ digest }) => digest)).not.toContain(headers.get("content-digest")!);
  }
  expect((await client.completeImport(id, count)).counts).toMatchObject({ accepted: 400 });
});

test("a body that does not match its digest or its byte range enqueues no row", async () => {
  const id = await _define();
  const body = "a\n1\n";
  const refused = await _put(id, 1, body, { headers: { "Content-Digest": _digest("a\n2\n") } });
  _expectProblem(refused, "digest-mismatch");
  for (const headers of [
    { "Content-Digest": "md5=:AAAA:" },
    { "Content-Range": "bytes 0-4/*" },
    { "Content-Range": "bytes 0-3/4x" },
    { "Content-Range": "bytes 0-3/3" },
  ]) {
    _expectProblem(await _put(id, 1, body, { headers }), "invalid-parameter");
  }
  expect(await stores.count()).toMatchObject({ jobs: 0 });
  const headers = { "Content-Digest": _digest(body), "Content-Range": "bytes 0-3/4" };
  expect((await _put(id, 1, body, { headers })).body).toMatchObject({
    offset: 0,
    bytes: 4,
    digest: _digest(body),
  });
});

test("an import is completed when all its parts are there, without gaps", async () => {
  const id = await _define({ columns: ["a"], header: "absent" });
  await _put(id, 1, "1\n", { headers: { "Content-Range": "bytes 0-1/*" } });
  await _put(id, 4, "4\n", { headers: { "Content-Range": "bytes 8-9/*" } });
  expect((await one.client.getImport(id)).parts).toEqual({
    total: null,
    received: 2,
    missing: [2, 3],
  });
  expect(_expectProblem(await _complete(id, 4), "import-incomplete").detail).toContain("2, 3");
  await _put(id, 2, "2\n", { headers: { "Content-Range": "bytes 2-3/*" } });
  await _put(id, 3, "3\n", { headers: { "Content-Range": "bytes 6-7/*" } });
  expect(_expectProblem(await _complete(id, 3), "import-incomplete").detail).toContain("Part 4");
  expect(_expectProblem(await _complete(id, 4), "import-incomplete").detail).toContain("byte 6");

  const whole = await _define({ header: "absent" });
  for (const part of [2, 1]) await _put(whole, part, `${part},x\n`);
  expect((await _complete(whole, 2)).body).toMatchObject({
    status: "running",
    counts: { accepted: 2 },
  });
  expect((await _complete(whole, 2)).status).toBe(200);
  _expectProblem(await _complete(whole, 3), "import-ended");
  _expectProblem(await _put(whole, 3, "3,x\n"), "import-ended");
  expect((await _put(whole, 2, "2,x\n")).status).toBe(200);
  expect((await _rows(whole)).map(({ values }) => values)).toEqual([
    { column1: "1", column2: "x" },
    { column1: "2", column2: "x" },
  ]);
});

const _putRanges = async (contents: readonly string[], size = "*") => {
  const id = await _define({ columns: ["a", "b"], header: "absent" });
  let end = 0;
  for (const [index, content] of contents.entries()) {
    const first = end;
    end += content.length;
    const headers = { "Content-Range": `bytes ${first}-${end - 1}/${size}` };
    expect((await _put(id, index + 1, content, { headers })).status).toBe(201);
  }
  return _complete(id, contents.length);
};

test("an import is not completed if a row was cut, or the end of the file is missing", async () => {
  // Each half of the row is a row by itself.
  const { detail } = _expectProblem(await _putRanges(["1,2\n3,4", "5,6\n"]), "import-incomplete");
  expect(detail).toContain("Part 1 ends within a row");
  const short = _expectProblem(await _putRanges(["1,2\n", "3,4\n"], "12"), "import-incomplete");
  expect(short.detail).toContain("8 bytes");
  for (const contents of [
    ["1,2\r", "\n3,4"],
    ["1,2\n", "\n3,4\r\n"],
  ]) {
    const size = contents.join("").length;
    expect((await _putRanges(contents, `${size}`)).body).toMatchObject({ counts: { accepted: 2 } });
  }
});

test("a header of numbers is one if the import says so", async () => {
  const body = "2025,2026\n1,2\n";
  const refused = _expectProblem(await _put(await _define(), 1, body), "invalid-csv");
  expect(refused.detail).toContain("header=present");
  const id = await _define({ header: "present" });
  expect((await _put(id, 1, body)).status).toBe(201);
  expect((await _rows(id)).map(({ values }) => values)).toEqual([{ "2025": "1", "2026": "2" }]);
});

test("an import is not completed without the rows of a part that was interrupted", async () => {
  const id = await _define({ columns: ["a"], header: "absent" });
  await _put(id, 1, "1\n");
  const insert = (part: number, read: number) => stores.sql`
    insert into import_parts (import_id, part, digest, bytes, owner, read, accepted)
    values (${id}, ${part}, '00', 2, ${crypto.randomUUID()}, ${read}, ${read})`;
  await insert(2, 0);
  await insert(3, 500);
  const { detail } = _expectProblem(await _complete(id, 1), "import-incomplete");
  expect(detail).toBe("Part 3 has rows, but 1 parts are declared.");
  const { items } = await one.client.listImportParts(id);
  expect(items.map(({ status }) => status)).toEqual(["received", "receiving", "receiving"]);
  await stores.sql`update import_parts set read = 0, accepted = 0 where part = 3`;
  expect((await _complete(id, 1)).body).toMatchObject({ counts: { read: 1, accepted: 1 } });
  const ended = (await one.client.listImportParts(id)).items;
  expect(ended.map(({ status }) => status)).toEqual(["received", "failed", "failed"]);
});

test("without columns, the parts after the first wait for its header and read its encoding", async () => {
  const id = await _define({ delimiter: ";" });
  const [first, second] = ["\uFEFFa;b\n1;é\n", "2;ü\n"].map(
    (text) => new Uint8Array(Buffer.from(text, "utf16le")),
  );
  const early = await _put(id, 2, second!);
  _expectProblem(early, "import-header-missing");
  expect(early.headers.get("retry-after")).toBe("1");
  await _put(id, 1, first!);
  expect((await _put(id, 2, second!, { producer: other })).status).toBe(201);
  expect((await _rows(id)).map(({ values }) => values)).toEqual([
    { a: "1", b: "é" },
    { a: "2", b: "ü" },
  ]);
});

test("a header that differs from the columns of the import is refused", async () => {
  const id = await _define({ columns: ["a", "b"] });
  const problem = _expectProblem(await _put(id, 1, "a,c\n1,2\n"), "invalid-csv");
  expect(problem.detail).toContain('column 2 is "c"');
  // No row was recorded, so the part may be replaced.
  expect((await _put(id, 1, "a,b\n1,2\n")).status).toBe(201);
});

test("errors name the part and the line within it", async () => {
  const id = await _define({ columns: ["a", "b"], header: "absent" });
  await _put(id, 2, "1,2\n3\n");
  await _put(id, 1, "1\n");
  expect((await _complete(id, 2)).body.errors).toMatchObject([
    { part: 2, line: 2 },
    { part: 1, line: 1 },
  ]);
});

test("a part that failed continues after its last recorded row", async () => {
  const id = await _define({ columns: ["a"], header: "absent" });
  const body = "1\n".repeat(1700);
  await stores.sql`
    create function fail_late() returns trigger language plpgsql as $$ begin
      if new.read > 1000 then raise exception 'late'; end if; return new; end $$`;
  await stores.sql`
    create trigger fail_late before update on import_parts for each row execute function fail_late()`;
  _expectProblem(await _put(id, 1, body), "internal-error");
  expect(await one.client.getImport(id)).toMatchObject({ counts: { read: 1000, accepted: 1000 } });
  expect((await one.client.listImportParts(id)).items).toMatchObject([{ status: "failed" }]);
  await stores.sql`drop trigger fail_late on import_parts`;
  await stores.sql`drop function fail_late`;
  const again = await _put(id, 1, body, { producer: other });
  expect(again.body.counts).toEqual({ read: 1700, accepted: 1700, duplicate: 0, rejected: 0 });
  expect(await stores.count()).toMatchObject({ jobs: 1700 });
});

test("two producers that receive one part at once record its rows once", async () => {
  const id = await _define({ columns: ["a"], header: "absent" });
  const body = "1\n".repeat(2000);
  const answers = await Promise.all(
    [one, other, one, other].map((producer) => _put(id, 1, body, { producer })),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  // 200: sent after the part was received. 503: the lock of the part was held for too long.
  for (const answer of answers) expect(answer.status).toBeOneOf([200, 201, 409, 503]);
  // 5 s after its last sign of life, a request loses the part to the next one, which continues after its last row.
  const second = await _define({ columns: ["a"], header: "absent" });
  await stores.sql`
    insert into import_parts (import_id, part, digest, bytes, owner, read, accepted, touched_at)
    values (${second}, 1, ${createHash("sha256").update(body).digest("hex")}, ${body.length},
            ${crypto.randomUUID()}, 500, 500, now() - interval '6 seconds')`;
  expect((await _put(second, 1, body)).body.counts).toMatchObject({ read: 2000, accepted: 2000 });
  expect(await stores.count()).toMatchObject({ jobs: 2000 + 1500 });
});

test("cancelling an import stops its parts", async () => {
  const id = await _define({ columns: ["a"], header: "absent" });
  await _put(id, 1, "1\n");
  expect((await other.client.cancelImport(id)).filter).toEqual({ importId: id });
  _expectProblem(await _put(id, 2, "2\n"), "import-ended");
  _expectProblem(await _complete(id, 1), "import-ended");
  expect((await one.client.getImport(id)).status).toBe("cancelled");
});

test("a definition is validated, and its ID and Idempotency-Key identify it", async () => {
  for (const [definition, pointer] of [
    [{ type: "nope" }, "/type"],
    [{ delimiter: "ab" }, "/delimiter"],
    [{ encoding: "klingon" }, "/encoding"],
    [{ columns: [] }, "/columns"],
    [{ colour: 1 }, "/colour"],
  ] as const) {
    const answer = await one.request("/v1/imports", _json({ type: "row.import", ...definition }));
    const { errors } = _expectProblem(answer, "invalid-import");
    expect(errors?.[0]?.pointer).toBe(pointer);
  }
  const id = createJobId();
  const parameters = await one.request("/v1/imports?dryRun=true", _json({ type: "row.import" }));
  expect(_expectProblem(parameters, "invalid-parameter").errors?.[0]?.pointer).toBe("/dryRun");
  const key = { "Idempotency-Key": "definition" };
  const define = (headers = {}) =>
    other.request("/v1/imports", _json({ type: "row.import", id }, headers));
  const made = await define(key);
  const replayed = await define(key);
  expect([replayed.text, replayed.headers.get("idempotency-replayed")]).toEqual([
    made.text,
    "true",
  ]);
  _expectProblem(await define(), "import-exists");
  expect(await stores.count()).toMatchObject({ imports: 1 });
});

test("a part of a file in one request, or of no import, is refused", async () => {
  const { id } = (await one.csv("a\n1\n")).body;
  _expectProblem(await _put(id, 1, "a\n1\n"), "import-ended");
  _expectProblem(await _complete(id, 1), "import-ended");
  _expectProblem(await _put(createJobId(), 1, "a\n1\n"), "import-not-found");
  const parted = await _define();
  _expectProblem(await _put(parted, 2001, "a\n"), "invalid-parameter");
  _expectProblem(await _put(parted, 1, ""), "empty-body");
  _expectProblem(await _put(parted, 1, "x".repeat(8_000_001)), "body-too-large");
  const headers = { "Content-Type": "application/json" };
  _expectProblem(await _put(parted, 1, "a\n", { headers }), "unsupported-media-type");
  expect((await one.client.getImport(parted)).parts?.received).toBe(0);
});
