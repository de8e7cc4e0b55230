import { afterEach, expect, test } from "bun:test";
import { createJobId } from "@toril/contract/engine/jobs/enqueue/job-id";
import { _bearer, _issue } from "./_keys.ts";
import { _expectProblem, _openProducer, _startProducer, _until } from "./_producer.ts";

const { stores, producer } = await _openProducer();
afterEach(() => stores.clear());

const csv = "a\n1\n2\n";
const _import = async (query = "?type=row.import", body = csv) =>
  (await producer.csv(body, query)).body as { id: string };

/** Sends the beginning of a file, and the rest on demand. */
function _slowFile(beginning: string) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const send = (text: string) => writer.write(new TextEncoder().encode(text));
  void send(beginning);
  return { body: readable, send, close: () => writer.close() };
}

test("imports are listed in pages, newest first, by status and type", async () => {
  const [done, running, echo, rejected] = [
    await _import(),
    await _import(),
    await _import("?type=echo", "message\na\n"),
    await _import("?type=echo", "sleepMs\nnever\n"),
  ];
  await stores.sql`update imports set completed = 2 where id = ${done.id}`;
  const list = async (query = {}) =>
    (await producer.client.listImports(query)).items.map(({ id }) => id);
  expect(await list()).toEqual([rejected.id, echo.id, running.id, done.id]);
  expect(await list({ status: "done" })).toEqual([done.id]);
  expect(await list({ status: "failed" })).toEqual([rejected.id]);
  expect(await list({ status: "running" })).toEqual([echo.id, running.id]);
  expect(await list({ status: "running", type: "echo" })).toEqual([echo.id]);

  const first = await producer.client.listImports({ limit: 3 });
  const second = await producer.client.listImports({ limit: 3, cursor: first.next! });
  expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(await list());
  expect(second.next).toBeNull();
  _expectProblem(await producer.request("/v1/imports?status=read"), "invalid-parameter");
});

test("the pace of a running import follows from its ended jobs and its age", async () => {
  const { id } = await _import();
  const none = { jobsPerSecond: null, secondsLeft: null };
  expect(await producer.client.getImport(id)).toMatchObject({ status: "running", ...none });
  await stores.sql`
    update imports set read = 900000, accepted = 800000, completed = 120000, dead = 40000, cancelled = 30000,
      expired = 10000, created_at = now() - interval '8000 seconds'
    where id = ${id}`;
  const getAge = async () => {
    const [row] = await stores.sql<{ age: number }[]>`
      select extract(epoch from clock_timestamp() - created_at)::float8 as age from imports where id = ${id}`;
    return row!.age;
  };
  for (const read of [
    () => producer.client.getImport(id),
    async () => (await producer.client.listImports()).items[0]!,
    async () => (await producer.client.followImport(id).next()).value!.data,
  ]) {
    const before = await getAge();
    const { status, jobsPerSecond, secondsLeft } = await read();
    const after = await getAge();
    expect(status).toBe("running");
    // 200,000 jobs have ended, and three times as many are pending.
    expect(secondsLeft).toBeWithin(Math.ceil(before * 3), Math.ceil(after * 3) + 1);
    expect(Math.round(jobsPerSecond! * 10)).toBeWithin(
      Math.round(2_000_000 / after),
      Math.round(2_000_000 / before) + 1,
    );
  }
  for (const change of [
    stores.sql`update imports set completed = 720000 where id = ${id}`,
    stores.sql`update imports set completed = 120000, status = 'cancelled' where id = ${id}`,
  ]) {
    await change;
    expect(await producer.client.getImport(id)).toMatchObject(none);
  }
});

test("an import with an ID of the client can be read while its file is sent", async () => {
  const id = createJobId();
  const file = _slowFile("a\n1\n");
  const reading = producer.csv(file.body, `?type=row.import&id=${id}`);
  await _until(async () => (await producer.request(`/v1/imports/${id}`)).status === 200);
  expect((await producer.client.getImport(id)).status).toBe("receiving");
  // A second request neither reads its file nor disturbs the first.
  _expectProblem(await producer.csv(csv, `?type=row.import&id=${id}`), "import-exists");
  await file.send("2\n");
  await file.close();
  expect((await reading).body).toMatchObject({ id, counts: { read: 2, accepted: 2 } });
});

test("an ID that is not a UUID v7, or of the future, is refused", async () => {
  for (const id of [crypto.randomUUID(), "ffffffff-0000-7000-8000-000000000000", "1"]) {
    const answer = await producer.csv(csv, `?type=row.import&id=${id}`);
    const { errors } = _expectProblem(answer, "invalid-parameter");
    expect(errors?.[0]?.pointer).toBe("/id");
  }
});

test("an import whose first rows are invalid keeps the ID that its client chose", async () => {
  const id = createJobId();
  _expectProblem(await producer.csv('a\n"1', `?type=row.import&id=${id}`), "invalid-csv");
  expect(await producer.client.getImport(id)).toMatchObject({
    status: "failed",
    errors: [{ line: 2 }],
  });
});

test("cancelling an import starts an operation that cancels its pending jobs", async () => {
  const { id } = await _import();
  for (let times = 0; times < 2; times += 1) {
    const answer = await producer.request(`/v1/imports/${id}`, { method: "DELETE" });
    expect(answer).toMatchObject({
      status: 202,
      body: { action: "cancel", filter: { importId: id }, status: "pending" },
    });
    expect(answer.headers.get("location")).toBe(`/v1/operations/${answer.body.id}`);
  }
  expect((await producer.client.getImport(id)).status).toBe("cancelled");
});

test("a cancelled import accepts no more rows, on any producer", async () => {
  const other = await _startProducer(stores);
  const id = createJobId();
  const file = _slowFile(`a\n${"1\n".repeat(600)}`);
  const headers = { "Content-Type": "text/csv", "Idempotency-Key": "cancelled" };
  const path = `/v1/imports?type=row.import&id=${id}`;
  const reading = producer.request(path, { method: "POST", headers, body: file.body });
  await _until(async () => (await stores.count()).jobs === 500);
  await other.client.cancelImport(id);
  await file.send("2\n".repeat(600));
  await file.close();
  _expectProblem(await reading, "import-ended");
  const again = { method: "POST", headers, body: `a\n${"1\n".repeat(600)}${"2\n".repeat(600)}` };
  _expectProblem(await other.request(path, again), "import-ended");
  expect(await other.client.getImport(id)).toMatchObject({
    status: "cancelled",
    counts: { read: 500, accepted: 500 },
  });
  expect(await stores.count()).toMatchObject({ jobs: 500 });
  await other.close();
});

test("a finished import, or one that does not exist, cannot be cancelled", async () => {
  const { id } = await _import();
  await stores.sql`update imports set completed = 2 where id = ${id}`;
  const cancel = (of: string) => producer.request(`/v1/imports/${of}`, { method: "DELETE" });
  _expectProblem(await cancel(id), "import-ended");
  _expectProblem(await cancel(createJobId()), "import-not-found");
  expect((await producer.client.listOperations()).items).toEqual([]);
});

// The first key turns on authentication for the rest of the file.
test("a key sees only the imports of its job types", async () => {
  const echo = await _import("?type=echo", "message\na\n");
  await _import();
  const { key } = await _issue(stores, ["jobs:read", "jobs:write"], { types: ["echo"] });
  const list = (query = "") => producer.request(`/v1/imports${query}`, { headers: _bearer(key) });
  await _until(async () => (await producer.request("/v1/imports")).status === 401);
  expect((await list()).body.items).toEqual([expect.objectContaining({ id: echo.id })]);
  _expectProblem(await list("?type=row.import"), "forbidden-resource");
});

test("the ID of another tenant's import is taken, and its jobs have other ids", async () => {
  const [own, other] = await Promise.all(
    ["one", "two"].map(async (tenant) => (await _issue(stores, ["jobs:write"], { tenant })).key),
  );
  const send = (key: string, id: string) =>
    producer.request(`/v1/imports?type=row.import&id=${id}`, {
      method: "POST",
      headers: { "Content-Type": "text/csv", ..._bearer(key) },
      body: csv,
    });
  const id = createJobId();
  await _until(async () => (await send("none", id)).status === 401);
  expect((await send(own!, id)).status).toBe(201);
  _expectProblem(await send(other!, id), "import-exists");
  // The import before it, whose second row would have the id of the first import's first row.
  const before =
    id.slice(0, 24) + (Number.parseInt(id.slice(24), 16) - 1).toString(16).padStart(12, "0");
  expect((await send(other!, before)).body.counts.accepted).toBe(2);
  expect(await stores.count()).toMatchObject({ jobs: 4 });
});
