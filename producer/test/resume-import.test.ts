import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { IssuedApiKey } from "@toril/contract/api/access/api-key";
import { _bearer, _issue } from "./_keys.ts";
import {
  _echo,
  _expectProblem,
  _json,
  _openStores,
  type _Producer,
  _startProducer,
  type _Stores,
  _until,
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

const csv = "zip,city\n00501,Holtsville\n00544,Holtsville\n";

function _import(
  producer: _Producer,
  key: string,
  body: RequestInit["body"] = csv,
  { query = "?type=row.import", contentType = "text/csv" } = {},
) {
  return producer.request(`/v1/imports${query}`, {
    method: "POST",
    headers: { "Content-Type": contentType, "Idempotency-Key": key },
    body,
  });
}

/** Creates a body that sends its beginning, and the rest on demand. */
function _slowBody(first: string) {
  let controller: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({
    start(opened) {
      controller = opened;
      controller.enqueue(new TextEncoder().encode(first));
    },
  });
  return {
    body,
    end(rest: string) {
      controller.enqueue(new TextEncoder().encode(rest));
      controller.close();
    },
    breakOff: () => controller.error(new Error("gone")),
  };
}

const _claims = () => stores.sql<{ status: number | null }[]>`select status from idempotency_keys`;

test("a repeated import gets the original response and creates no jobs", async () => {
  const first = await _import(one, "file-1");
  expect([first.status, first.headers.get("idempotency-replayed")]).toEqual([201, null]);
  await stores.sql`update jobs set status = 'completed', settled_at = now()`;
  await stores.sql`update imports set completed = 2`;
  for (const producer of [one, other]) {
    const again = await _import(producer, "file-1");
    expect([again.status, again.text]).toEqual([201, first.text]);
    expect(again.headers.get("location")).toBe(`/v1/imports/${first.body.id}`);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
  }
  expect(await stores.count()).toMatchObject({ jobs: 2, imports: 1, keys: 1 });
});

test("an import with the Idempotency-Key of another body is refused", async () => {
  await _import(one, "file-2");
  for (const body of [csv.replace("00544", "00545"), `${csv}00545,Holtsville\n`, "zip\n"]) {
    _expectProblem(await _import(other, "file-2", body), "idempotency-key-reused");
  }
  const query = "?type=row.import&delimiter=;";
  _expectProblem(await _import(other, "file-2", csv, { query }), "idempotency-key-reused");
  const headers = { "Idempotency-Key": "file-2" };
  _expectProblem(await one.post(_echo(), headers), "idempotency-key-reused");
  expect(await stores.count()).toMatchObject({ jobs: 2, imports: 1, keys: 1 });
});

test("a repeated feed import gets the original response", async () => {
  const feed = JSON.stringify({
    version: "https://jsonfeed.org/version/1.1",
    title: "T",
    items: [{ id: "1", content_text: "a" }],
  });
  const as = { query: "?type=feed.item&source=s", contentType: "application/feed+json" };
  const first = await _import(one, "feed-1", feed, as);
  expect(first.body.counts.accepted).toBe(1);
  const again = await _import(other, "feed-1", feed, as);
  expect([again.status, again.text]).toEqual([first.status, first.text]);
  _expectProblem(await _import(other, "feed-1", `${feed} `, as), "idempotency-key-reused");
  expect(await stores.count()).toMatchObject({ jobs: 1, imports: 1 });
});

test("a second import with the same key is refused while the first is read, and then gets its response", async () => {
  const slow = _slowBody(csv);
  const reading = _import(one, "file-3", slow.body);
  await _until(async () => (await _claims()).length === 1);
  _expectProblem(await _import(other, "file-3"), "idempotency-key-in-use");
  slow.end("00545,Holtsville\n");
  const first = await reading;
  expect(first.body.counts.accepted).toBe(3);
  const again = await _import(other, "file-3", `${csv}00545,Holtsville\n`);
  expect(again.text).toBe(first.text);
  expect(await stores.count()).toMatchObject({ jobs: 3, imports: 1 });
});

test("a refused import leaves its key free", async () => {
  _expectProblem(await _import(one, "file-4", 'a,b\n1,2,"3'), "invalid-csv");
  _expectProblem(await _import(one, "file-4", ""), "empty-body");
  expect(await _claims()).toHaveLength(0);
  expect((await _import(one, "file-4")).status).toBe(201);
});

/** Builds the rows `first` to `last`, of which every fourth is bad. */
function _rows(first: number, last: number) {
  const count = last - first + 1;
  return Array.from({ length: count }, (_, n) => `${first + n}${n % 4 === 3 ? "" : ",x"}\n`).join(
    "",
  );
}

const _released = async () =>
  (await stores.sql`select from idempotency_keys where owner is null and status is null`).length >
  0;

/** Sends the beginning of a file, waits until `rows` rows are recorded, and disconnects. */
async function _breakOff(key: string, text: string, rows: number) {
  const slow = _slowBody(text);
  const gone = _import(one, key, slow.body).catch(() => "gone");
  await _until(async () => {
    const [row] = await stores.sql<{ read: number }[]>`select read from imports`;
    return (row?.read ?? 0) >= rows || rows === 0;
  });
  await _until(async () => (await _claims()).length === 1);
  slow.breakOff();
  expect(await gone).toBe("gone");
  await _until(_released);
  const [begun] = await stores.sql<{ id: string; read: number }[]>`select id, read from imports`;
  return begun!;
}

test.each([
  ["in its first rows", 12, 0],
  ["after some chunks", 1800, 1500],
])(
  "a file sent again after a disconnect %s resumes its import without duplicate rows",
  async (_, sent, recorded) => {
    const file = `a,b\n${_rows(1, 3200)}`;
    const begun = await _breakOff("file-5", `a,b\n${_rows(1, sent)}${sent + 1},`, recorded);
    expect(begun.read).toBe(sent);
    expect((await one.client.getImport(begun.id)).status).toBe("failed");
    // Jobs that completed meanwhile are gone from Redis and must not be dispatched again.
    const ran = await stores.sql<{ id: string }[]>`
      update jobs set status = 'completed', settled_at = now() where key is null returning id`;
    await stores.sql`update imports set completed = ${ran.length}`;
    await stores.redis.del((await stores.redis.keys(`${stores.prefix}:*`)).concat("none"));

    const done = await _import(other, "file-5", file);
    expect([done.status, done.body.id]).toEqual([201, begun.id]);
    expect(done.body).toMatchObject({
      status: "running",
      counts: { read: 3200, accepted: 2400, rejected: 800, duplicate: 0, completed: ran.length },
    });
    expect(done.body.errors[0].line).toBe(5);
    expect(done.body.errors).toHaveLength(100);
    const rows = await stores.sql<{ row: number }[]>`
      select (data->>'row')::int as row from jobs where import_id = ${begun.id} order by id`;
    expect(rows.map(({ row }) => row)).toEqual(
      Array.from({ length: 3200 }, (_, n) => n + 1).filter((n) => n % 4 !== 0),
    );
    expect(await stores.count()).toMatchObject({
      jobs: 2400,
      dispatched: 2400 - ran.length,
      imports: 1,
      keys: 1,
    });
    expect((await _import(one, "file-5", file)).text).toBe(done.text);
  },
);

test("20,000 rows that were cut in the middle and are sent again are recorded and dispatched once each", async () => {
  const toLines = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join("");
  const begun = await _breakOff("file-7", `n\n${toLines(1, 10_000)}100`, 9500);
  expect(begun.read).toBe(10_000);
  const done = await _import(other, "file-7", `n\n${toLines(1, 20_000)}`);
  expect(done.body).toMatchObject({
    id: begun.id,
    counts: { read: 20_000, accepted: 20_000, duplicate: 0, rejected: 0 },
  });
  const [found] = await stores.sql`
    select count(*)::int as jobs, count(distinct data->'values'->>'n')::int as rows, max((data->>'row')::int) as last from jobs`;
  expect(found).toEqual({ jobs: 20_000, rows: 20_000, last: 20_000 });
  expect(await stores.count()).toMatchObject({ dispatched: 20_000, imports: 1 });
});

test("a file sent again with other rows is refused, and the original may still resume", async () => {
  const begun = await _breakOff("file-8", `a,b\n${_rows(1, 600)}`, 500);
  const others = [
    `a,b\n${_rows(1, 600).replace("301,", "0,")}${_rows(601, 900)}`,
    `a,b\n${_rows(1, 400)}`,
    "a,b\n",
  ];
  for (const file of others) {
    _expectProblem(await _import(other, "file-8", file), "idempotency-key-reused");
  }
  expect(await other.client.getImport(begun.id)).toMatchObject({
    status: "failed",
    counts: { read: begun.read },
  });
  const done = await _import(other, "file-8", `a,b\n${_rows(1, 900)}`);
  expect(done.body).toMatchObject({ id: begun.id, counts: { read: 900, accepted: 675 } });
  expect(await stores.count()).toMatchObject({ jobs: 675, imports: 1, keys: 1 });
});

test("a file that is invalid after its first rows fails again with the same import", async () => {
  const file = `a,b\n${_rows(1, 1200)}3,"4`;
  const first = await _import(one, "file-9", file);
  const again = await _import(other, "file-9", file);
  for (const answer of [first, again]) {
    expect(_expectProblem(answer, "invalid-csv").detail).toContain("Line 1202: ");
  }
  const rows = await stores.sql<{ id: string }[]>`select id from imports`;
  expect(rows).toHaveLength(1);
  const made = await one.client.getImport(rows[0]!.id);
  expect(made).toMatchObject({ status: "failed", counts: { read: 1200, accepted: 900 } });
  expect(await stores.count()).toMatchObject({ jobs: 900, keys: 1 });
});

test("the key of a producer that died is taken over only by the same request", async () => {
  const slow = _slowBody(`a,b\n${_rows(1, 600)}`);
  const late = _import(one, "file-6", slow.body);
  await _until(async () => (await stores.count()).imports === 1);
  _expectProblem(await _import(other, "file-6"), "idempotency-key-in-use");
  await stores.sql`update idempotency_keys set touched_at = now() - interval '61 seconds'`;
  const query = "?type=row.import&delimiter=;";
  _expectProblem(await _import(other, "file-6", csv, { query }), "idempotency-key-reused");
  const file = `a,b\n${_rows(1, 1600)}`;
  const taken = await _import(other, "file-6", file);
  expect(taken.body.counts).toMatchObject({ read: 1600, accepted: 1200 });
  // The first producer was slow, not dead: it records nothing more.
  slow.end(_rows(601, 1600));
  _expectProblem(await late, "idempotency-key-in-use");
  expect((await _import(one, "file-6", file)).text).toBe(taken.text);
  expect(await stores.count()).toMatchObject({ jobs: 1200, imports: 1 });
});

test("the body of an import is compared without buffering it", async () => {
  const line = `${"x".repeat(999)}\n`;
  const rows = 2000;
  const first = await _import(one, "file-7", `a\n${line.repeat(rows)}`);
  expect(first.body.counts.read).toBe(rows);
  const again = await _import(other, "file-7", `a\n${line.repeat(rows)}`);
  expect(again.text).toBe(first.text);
  const longer = `a\n${line.repeat(rows)}${line}`;
  _expectProblem(await _import(other, "file-7", longer), "idempotency-key-reused");
  expect(await stores.count()).toMatchObject({ jobs: rows, imports: 1 });
});

test("an invalid Idempotency-Key is refused", async () => {
  const long = "k".repeat(256);
  for (const answer of [
    await one.post(_echo(), { "Idempotency-Key": long }),
    await one.bulk([_echo()], "", { "Idempotency-Key": long }),
    await _import(one, long),
    await one.request(
      "/v1/keys",
      _json({ name: "a", scopes: ["jobs:read"] }, { "Idempotency-Key": long }),
    ),
  ]) {
    expect(_expectProblem(answer, "invalid-parameter").errors?.[0]?.pointer).toBe(
      "/idempotency-key",
    );
  }
  expect(await stores.count()).toMatchObject({ jobs: 0, imports: 0, keys: 0 });
});

test("a key is created and rotated once, and its secret is not stored", async () => {
  const admin: IssuedApiKey = await _issue(stores, ["keys:admin"], { name: "admin" });
  await _until(async () => (await one.request("/v1/keys")).status === 401);
  const headers = { ..._bearer(admin.key), "Idempotency-Key": "make-1" };
  const wanted = { name: "shop", scopes: ["jobs:write"] };
  const made = await one.request("/v1/keys", _json(wanted, headers));
  expect(made.status).toBe(201);
  const again = await one.request("/v1/keys", _json(wanted, headers));
  expect(_expectProblem(again, "response-not-replayable").detail).toContain(made.body.id);
  expect(again.headers.get("location")).toBe(`/v1/keys/${made.body.id}`);
  const different = await one.request("/v1/keys", _json({ ...wanted, name: "x" }, headers));
  _expectProblem(different, "idempotency-key-reused");

  const rotate = () =>
    one.request(`/v1/keys/${made.body.id}/rotate`, {
      method: "POST",
      headers: { ..._bearer(admin.key), "Idempotency-Key": "rotate-1" },
    });
  const rotated = await rotate();
  expect(rotated.status).toBe(200);
  _expectProblem(await rotate(), "response-not-replayable");

  const { body } = await one.request("/v1/keys", { headers: _bearer(admin.key) });
  expect(body.items).toHaveLength(2);
  const kept = JSON.stringify(await stores.sql`select * from idempotency_keys`);
  for (const { key } of [made.body, rotated.body]) {
    expect(kept).not.toContain(key.split("_").at(-1));
  }
  expect((await one.post(_echo(), _bearer(rotated.body.key))).status).toBe(201);
  const noted = await stores.sql`
    select action, outcome from audit_log where actor = ${`key:${admin.id}`} order by seq`;
  expect(noted.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
    "createKey done",
    "createKey response-not-replayable",
    "createKey idempotency-key-reused",
    "rotateKey done",
    "rotateKey response-not-replayable",
  ]);
});

test("concurrent requests with one Idempotency-Key create one key", async () => {
  const admin = await _issue(stores, ["keys:admin"], { name: "second admin" });
  await _until(
    async () => (await other.request("/v1/keys", { headers: _bearer(admin.key) })).status === 200,
  );
  await _until(
    async () => (await one.request("/v1/keys", { headers: _bearer(admin.key) })).status === 200,
  );
  const headers = { ..._bearer(admin.key), "Idempotency-Key": "make-2" };
  const wanted = _json({ name: "many", scopes: ["jobs:write"] }, headers);
  const answers = await Promise.all(
    [one, other, one, other].map((producer) => producer.request("/v1/keys", wanted)),
  );
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
    201, 409, 409, 409,
  ]);
  const rows = await stores.sql`select from api_keys where name = 'many'`;
  expect(rows).toHaveLength(1);
});
